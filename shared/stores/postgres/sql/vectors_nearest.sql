-- Returns vectors of a user's exchanges: those whose signs differ the least from the query's, and those in `row_ids`.
with threads as materialized (
    select c.id
    from live_conversations c
    where c.user_id = %(user_id)s
        and (%(thread_id)s::text is null or c.thread_id = %(thread_id)s)
        and c.thread_id is distinct from %(exclude_thread_id)s::text
),
nearest as (
    select v.message_id
    from threads t
    join exchange_vectors v on v.conversation_id = t.id and v.model = %(model)s
    -- The model refused a text whose vector is empty.
    where v.dimensions = %(dimensions)s and (%(since)s::timestamptz is null or v.created_at >= %(since)s)
        and (%(until)s::timestamptz is null or v.created_at < %(until)s)
    order by bit_count(v.signs # %(signs)s::varbit), v.message_id
    limit %(rows)s
),
chosen as (
    select message_id from nearest
    union
    select unnest(%(row_ids)s::uuid[])
)
select
    coalesce(string_agg(uuid_send(m.id), ''), '') as row_ids,
    coalesce(string_agg(uuid_send(t.id), ''), '') as thread_ids,
    coalesce(array_agg(v.vector), '{}') as vectors
from chosen
join exchange_vectors v on v.message_id = chosen.message_id and v.model = %(model)s and v.dimensions = %(dimensions)s
join messages m on m.id = v.message_id and m.revision = v.revision
    and coalesce(m.accepted_at, m.created_at) = v.accepted_at
join threads t on t.id = m.conversation_id
