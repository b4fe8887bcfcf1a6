-- Returns the newest exchanges before a thread's window that have no sentence of a summary, oldest first.
select c.user_id, m.*
from live_conversations c
cross join lateral (
    select u.id, u.exchange_id, u.order_key, u.revision, u.user_message, coalesce(a.content, '') as assistant_message,
        u.created_at, u.accepted_at
    from (
        select id, exchange_id, order_key, revision, content as user_message, created_at,
            coalesce(accepted_at, created_at) as accepted_at
        from messages
        where conversation_id = c.id and position = 0
        order by order_key desc
        limit %(most)s offset %(window)s
    ) as u
    left join messages a on a.conversation_id = c.id and a.exchange_id = u.exchange_id and a.position = 1
    where not exists (select from memory_statements s where s.message_id = u.id and s.kind = 'summary')
    order by u.order_key desc
    limit %(rows)s
) as m
where c.thread_id = %(thread_id)s and c.user_id is not null
    and coalesce(c.message_count > 2 * %(window)s, true)
order by m.order_key
