-- Returns the vectors of a user's exchanges that Python compares: all, if there are at most `rows`. Otherwise those whose
-- signs differ the least from the query's, and those in `row_ids`. They may be of other texts than the exchanges have.
with threads as materialized (
    select c.id, c.message_count
    from live_conversations c
    where c.user_id = %(user_id)s
        and (%(thread_id)s::text is null or c.thread_id = %(thread_id)s)
        and c.thread_id is distinct from %(exclude_thread_id)s::text
),
size as materialized (
    -- An exchange has two messages and at most one vector of the model.
    select coalesce(sum(message_count), 0) <= 2 * %(rows)s as is_small from threads
),
own as not materialized (
    select v.message_id, v.vector, v.signs
    from threads t
    join exchange_vectors v on v.conversation_id = t.id and v.model = %(model)s
    -- The model refused a text whose vector is empty.
    where v.dimensions = %(dimensions)s and (%(since)s::timestamptz is null or v.created_at >= %(since)s)
        and (%(until)s::timestamptz is null or v.created_at < %(until)s)
),
compared as (
    -- The limit is for counts that are not up to date.
    (select message_id, vector from own where (select is_small from size) limit %(rows)s)
    union all
    (
        select message_id, vector from own where (select not is_small from size)
        order by bit_count(signs # %(signs)s::varbit), message_id
        limit %(by_signs)s
    )
    union all
    select v.message_id, v.vector
    from exchange_vectors v
    where v.message_id = any (%(row_ids)s::uuid[]) and v.model = %(model)s and v.dimensions = %(dimensions)s
        and (select not is_small from size)
)
select
    coalesce(string_agg(uuid_send(message_id), ''), '') as row_ids, coalesce(string_agg(vector, ''), '') as vectors
from compared
