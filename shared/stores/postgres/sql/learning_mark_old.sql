-- Marks all exchanges of the next threads as due, and returns the number of threads that were looked at. After a change
-- of the deriver it starts again with the first thread. After a pause of the sweeps, such as a rollback to a release that
-- does not learn, it marks the threads that were used meanwhile.
with before as (
    select ended_at from derivation_progress where kind = %(kind)s and model = %(model)s
),
progress as (
    insert into derivation_progress as p (kind, model) values (%(kind)s, %(model)s)
    on conflict (kind) do update set
        model = excluded.model,
        last_conversation_id = case when p.model = excluded.model then p.last_conversation_id end,
        ended_at = case when p.model = excluded.model then p.ended_at end
    returning last_conversation_id, ended_at
),
next as (
    select c.id, c.user_id
    from conversations c, progress p
    where p.ended_at is null and (p.last_conversation_id is null or c.id > p.last_conversation_id)
    order by c.id
    limit %(rows)s
),
marked as (
    insert into due_derivations (conversation_id, kind, is_old)
    select n.id, %(kind)s, true from next n where n.user_id is not null
    on conflict (conversation_id, kind) do update set is_old = true, from_order = null
),
missed as (
    insert into due_derivations (conversation_id, kind, is_old)
    select c.id, %(kind)s, true
    from before b
    join conversations c on c.user_id is not null and c.updated_at >= b.ended_at - interval '10 minutes'
    where b.ended_at < clock_timestamp() - interval '10 minutes'
    order by c.id
    on conflict (conversation_id, kind) do update set is_old = true, from_order = null
)
select count(*) as threads, max(id::text)::uuid as last from next
