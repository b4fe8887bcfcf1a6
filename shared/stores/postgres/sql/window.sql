-- Returns the newest exchanges of a thread, newest first. Each exchange has two rows. The caller requests one row more
-- than the window has, to find out whether the thread has older exchanges. Recently deleted exchanges are rows without
-- a position. Every row also has the thread's cutoff, its owner, the cutoffs of the requested users, and the uptime of
-- PostgreSQL and the sweep. A thread without exchanges has one row. The limit is in the subquery of one conversation,
-- so that an index returns the rows in order, however long the thread is. The statement uses each table once, because
-- planning takes longer than execution.
select
    (select cutoff from thread_tombstones where thread_id = %(thread_id)s) as cutoff,
    (
        select json_object_agg(user_id, cutoff) from user_tombstones where user_id = any(%(users)s::text[])
    ) as user_cutoffs,
    (
        select extract(epoch from clock_timestamp() - healthy_since)::float8 from drain_health
        where id = 1
            and beat_at > greatest(clock_timestamp() - make_interval(secs => %(gap)s), pg_postmaster_start_time())
    ) as uptime,
    case when o.thread_id is null then c.user_id else o.user_id end as owner,
    coalesce(o.thread_id, c.thread_id) is not null as is_known,
    m.exchange_id, m.position, m.content, m.metadata, m.created_at, m.revision, m.accepted_at, c.user_id
from (values (1)) as always (one)
left join live_thread_owners o on o.thread_id = %(thread_id)s
left join live_conversations c on c.thread_id = %(thread_id)s
left join lateral (
    (
        select stored.exchange_id, stored.position, stored.content, stored.metadata::text, stored.created_at::text,
            stored.revision, stored.accepted_at::text, stored.order_key
        from messages stored
        where stored.conversation_id = c.id
        order by stored.order_key desc, stored.position desc
        limit %(rows)s
    )
    union all
    (
        select exchange_id, null, null, null, null, null, null, null from exchange_tombstones
        where thread_id = %(thread_id)s
        order by deleted_at desc
        limit %(deleted)s
    )
) as m on true
order by m.order_key desc, m.position desc
