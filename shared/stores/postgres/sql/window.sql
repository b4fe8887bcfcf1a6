-- The newest exchanges of a thread, newest first, as two rows each; one more than requested shows that older ones
-- exist. There is always a row with the thread's last deletion, its owner, the deletions of the requested users, and
-- the uptime of PostgreSQL and the sweep; recently deleted exchanges are rows without a position. The limit is inside,
-- where the conversation is known, so that the index provides the order for a thread of any length.
select t.cutoff, t.user_cutoffs, t.uptime, o.user_id as owner, o.is_known, m.exchange_id, m.position, m.content, m.metadata::text, m.created_at, m.revision, m.user_id
from (
    select
        (select cutoff from thread_tombstones where thread_id = %(thread_id)s) as cutoff,
        (
            select json_object_agg(user_id, cutoff) from user_tombstones where user_id = any(%(users)s::text[])
        ) as user_cutoffs,
        (
            select extract(epoch from clock_timestamp() - healthy_since)::float8 from drain_health
            where id = 1 and beat_at > greatest(clock_timestamp() - make_interval(secs => %(gap)s), pg_postmaster_start_time())
        ) as uptime
) as t
left join lateral (
    select l.user_id, true as is_known, 0 as rank from live_thread_owners l where l.thread_id = %(thread_id)s
    union all
    select c.user_id, true, 1 from live_conversations c where c.thread_id = %(thread_id)s
    order by rank
    limit 1
) as o on true
left join lateral (
    select newest.exchange_id, newest.position, newest.content, newest.metadata, newest.created_at, newest.revision,
        c.user_id, newest.order_key
    from live_conversations c
    cross join lateral (
        select * from messages m
        where m.conversation_id = c.id
        order by m.order_key desc, m.position desc
        limit %(rows)s
    ) as newest
    where c.thread_id = %(thread_id)s
    union all
    (
        select exchange_id, null, null, null, null, null, null, null from exchange_tombstones
        where thread_id = %(thread_id)s
        order by deleted_at desc
        limit %(deleted)s
    )
) as m on true
order by m.order_key desc, m.position desc
