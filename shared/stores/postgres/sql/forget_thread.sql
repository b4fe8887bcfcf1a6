-- Deletes a thread and stores its tombstone. The tombstone's cutoff is the highest of three keys: the caller's cutoff,
-- the order key of the newest stored exchange, and the acceptance key of the last import. The conversation loses its
-- thread id and its user, so that no reader finds it. `erase_rows.sql` deletes its rows later.
with found as (
    select c.id, c.user_id, l.id is not null as is_live, greatest(
        (select m.order_key from messages m where m.conversation_id = c.id order by m.order_key desc limit 1), c.last_import
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
tombstone as (
    insert into thread_tombstones as t (thread_id, cutoff)
    values (%(thread_id)s, greatest(%(cutoff)s::uuid, (select newest from found)))
    on conflict (thread_id) do update set cutoff = greatest(t.cutoff, excluded.cutoff), deleted_at = now()
    returning t.cutoff
)
select r.cutoff, exists (select from found where is_live) as existed, (select id from found) as conversation_id
from tombstone r
