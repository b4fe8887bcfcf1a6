-- Detaches threads of deleted users, as `forget_thread.sql` does: the conversation loses its thread id and its user, so
-- that the id can be used again. `extra_threads` lists the user's threads in Redis. Each of them gets a tombstone,
-- unless another user owns it. Each stored exchange after the cutoff, which a wrong clock has dated ahead, gets its own
-- tombstone.
with hidden as (
    select c.id, c.thread_id, c.user_id, c.last_import, e.cutoff
    from conversations c
    join user_erasures e on e.user_id = c.user_id and coalesce(c.serial, 0) <= e.serial
    where c.thread_id = any(%(thread_ids)s)
),
removed_owners as (
    delete from thread_owners o using user_erasures e
    where o.thread_id = any(%(thread_ids)s) and e.user_id = o.user_id and coalesce(o.serial, 0) <= e.serial
    returning o.thread_id, e.cutoff
),
cached_only as (
    select a.thread_id, e.cutoff
    from unnest(%(extra_threads)s::text[]) as a (thread_id)
    join user_erasures e on e.user_id = %(user_id)s
    where not exists (
            select from live_conversations c
            where c.thread_id = a.thread_id and c.user_id is distinct from %(user_id)s
        )
        and not exists (
            select from live_thread_owners o
            where o.thread_id = a.thread_id and o.user_id is distinct from %(user_id)s
        )
),
detached as (
    update conversations c set thread_id = chr(127) || c.id, user_id = null, title = null from hidden h where c.id = h.id
),
logged as (
    insert into erasures (conversation_id, thread_id, user_id) select id, thread_id, user_id from hidden
),
later_exchanges as (
    insert into exchange_tombstones (thread_id, exchange_id)
    select h.thread_id, m.exchange_id
    from hidden h join messages m on m.conversation_id = h.id
    where m.order_key > h.cutoff and m.accepted_at is null
    union
    select h.thread_id, m.exchange_id
    from hidden h join messages m on m.conversation_id = h.id
    where h.last_import > h.cutoff
        -- The acceptance key, as in `shared.ids.acceptance_key`.
        and (
            lpad(to_hex(floor(extract(epoch from m.accepted_at) * 1000)::bigint), 12, '0') || repeat('0', 20)
        )::uuid > h.cutoff
    on conflict (thread_id, exchange_id) do nothing
    returning thread_id
)
insert into thread_tombstones as t (thread_id, cutoff)
select distinct on (thread_id) thread_id, cutoff
from (
    select thread_id, cutoff from hidden union all select thread_id, cutoff from removed_owners
    union all select thread_id, cutoff from cached_only
) as cutoffs
order by thread_id, cutoff desc
on conflict (thread_id) do update set cutoff = greatest(t.cutoff, excluded.cutoff), deleted_at = now()
returning t.thread_id, t.cutoff, (select h.id from hidden h where h.thread_id = t.thread_id) as conversation_id,
    exists (select from later_exchanges l where l.thread_id = t.thread_id) as has_later
