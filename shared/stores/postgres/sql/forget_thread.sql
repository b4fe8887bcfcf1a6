-- Deletes a thread and stores its tombstone. The tombstone's cutoff is the highest of three keys: the caller's cutoff,
-- the order key of the newest stored exchange, and the acceptance key of the last import. Keys from `end` on do not count,
-- because a wrong clock created them. Each exchange after the cutoff gets its own tombstone: those in `later`, which
-- Redis has, and the stored ones. The conversation loses its thread id and its user, so that no reader finds it.
-- `erase_rows.sql` deletes its rows later.
with found as (
    select c.id, c.user_id, c.last_import, l.id is not null as is_live, greatest(
        (
            select m.order_key from messages m
            where m.conversation_id = c.id and m.order_key < %(end)s::uuid
            order by m.order_key desc
            limit 1
        ),
        case when c.last_import < %(end)s::uuid then c.last_import end
    ) as newest
    from conversations c
    left join live_conversations l on l.id = c.id
    where c.thread_id = %(thread_id)s
),
detached as (
    update conversations c set thread_id = chr(127) || c.id, user_id = null, title = null from found f where c.id = f.id
),
logged as (
    insert into erasures (conversation_id, thread_id, user_id) select id, %(thread_id)s, user_id from found
),
removed_owners as (
    delete from thread_owners where thread_id = %(thread_id)s
),
reached as (
    select greatest(%(cutoff)s::uuid, (select newest from found)) as cutoff
),
later_exchanges as (
    insert into exchange_tombstones (thread_id, exchange_id)
    select %(thread_id)s, exchange_id from unnest(%(later)s::uuid[]) as g (exchange_id)
    union
    select %(thread_id)s, m.exchange_id
    from found f cross join reached r join messages m on m.conversation_id = f.id
    where m.order_key > r.cutoff and m.accepted_at is null
    union
    select %(thread_id)s, m.exchange_id
    from found f cross join reached r join messages m on m.conversation_id = f.id
    where f.last_import > r.cutoff
        -- The acceptance key, as in `shared.ids.acceptance_key`.
        and (
            lpad(to_hex(floor(extract(epoch from m.accepted_at) * 1000)::bigint), 12, '0') || repeat('0', 20)
        )::uuid > r.cutoff
    on conflict (thread_id, exchange_id) do nothing
),
tombstone as (
    insert into thread_tombstones as t (thread_id, cutoff)
    select %(thread_id)s, cutoff from reached
    on conflict (thread_id) do update set cutoff = greatest(t.cutoff, excluded.cutoff), deleted_at = now()
    returning t.cutoff
)
select r.cutoff, exists (select from found where is_live) as existed, (select id from found) as conversation_id
from tombstone r
