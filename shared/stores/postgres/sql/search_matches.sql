-- Returns the exchanges of a user's threads that have any of a query's keys, as arrays with an element for each exchange.
-- The subquery `hits` has one part for each key (search_hits.sql), so that each part is one scan of the index.
with threads as materialized (
    select c.id, c.message_count
    from live_conversations c
    where c.user_id = %(user_id)s
        and (%(thread_id)s::text is null or c.thread_id = %(thread_id)s)
        and c.thread_id is distinct from %(exclude_thread_id)s::text
),
hits as (
    {hits}
),
matches as (
    select h.id, h.conversation_id, bit_or(1::bigint << h.key) as keys, h.user_terms, h.assistant_terms
    from hits h
    -- Two users may have the same key. Inside of `case`, PostgreSQL looks each thread up in a hash table, whatever number
    -- of rows it expects. As a join, it compared each hit with each thread.
    where case when h.conversation_id in (select id from threads) then true end
        and (%(since)s::timestamptz is null or h.created_at >= %(since)s)
        and (%(until)s::timestamptz is null or h.created_at < %(until)s)
    group by h.id, h.conversation_id, h.user_terms, h.assistant_terms
)
select
    coalesce(string_agg(uuid_send(id), ''), '') as row_ids,
    coalesce(string_agg(uuid_send(conversation_id), ''), '') as thread_ids,
    coalesce(array_agg(keys), '{{}}') as keys,
    coalesce(array_agg(user_terms), '{{}}') as user_terms,
    coalesce(array_agg(assistant_terms), '{{}}') as assistant_terms,
    (select coalesce(sum(message_count), 0)::bigint / 2 from threads) as total,
    -- The first condition is false at once if all exchanges of all users are indexed.
    (select true from messages m where {unindexed} {order} limit 1) is not null and exists (
        select from live_conversations c
        cross join lateral (select from messages m where m.conversation_id = c.id and {unindexed} limit 1) as unindexed
        where c.user_id = %(user_id)s
    ) as has_unindexed,
    (
        select extract(epoch from clock_timestamp() - healthy_since)::float8 from drain_health
        where id = 1
            and beat_at > greatest(clock_timestamp() - make_interval(secs => %(gap)s), pg_postmaster_start_time())
    ) as uptime
from matches
