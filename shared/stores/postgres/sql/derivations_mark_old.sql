-- Marks the next threads that lack vectors of the model, and returns the number of threads that were looked at. After a
-- change of the model it starts again with the first thread, and also a day after the last thread.
with progress as (
    insert into derivation_progress as p (kind, model) values (%(kind)s, %(model)s)
    on conflict (kind) do update set
        model = excluded.model,
        last_conversation_id = case
            when p.model = excluded.model and not coalesce(p.ended_at < clock_timestamp() - interval '1 day', false)
                then p.last_conversation_id
        end,
        ended_at = case
            when p.model = excluded.model and not coalesce(p.ended_at < clock_timestamp() - interval '1 day', false)
                then p.ended_at
        end
    returning last_conversation_id, ended_at
),
next as (
    select c.id, c.user_id, c.message_count
    from conversations c, progress p
    where p.ended_at is null and (p.last_conversation_id is null or c.id > p.last_conversation_id)
    order by c.id
    limit %(rows)s
),
marked as (
    insert into due_derivations (conversation_id, kind, is_old)
    select n.id, %(kind)s, true
    from next n
    where n.user_id is not null and (
        n.message_count is null or n.message_count > 2 * (
            select count(*) from exchange_vectors v where v.conversation_id = n.id and v.model = %(model)s
        )
    )
    on conflict (conversation_id, kind) do update set is_old = true
)
select count(*) as threads, max(id::text)::uuid as last from next
