-- Returns the cosines of a user's vectors with the query's: the nearest, and those in `row_ids`. This needs pgvector.
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
    -- The sweep has still to convert a vector without an embedding. The share of different signs is about that of the
    -- angle in 180 degrees.
    order by coalesce(
        v.embedding operator({schema}.<=>) %(values)s::{schema}.halfvec,
        1 - cosd(180.0 * bit_count(v.signs # %(signs)s::varbit) / v.dimensions)
    ), v.message_id
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
    coalesce(array_agg(
        1 - (coalesce(v.embedding, exchange_embedding(v.vector)) operator({schema}.<=>) %(values)s::{schema}.halfvec)
    ), '{{}}') as cosines
from chosen
join exchange_vectors v on v.message_id = chosen.message_id and v.model = %(model)s and v.dimensions = %(dimensions)s
join messages m on m.id = v.message_id and m.revision = v.revision
    and coalesce(m.accepted_at, m.created_at) = v.accepted_at
join threads t on t.id = m.conversation_id
