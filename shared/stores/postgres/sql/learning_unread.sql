-- Returns a thread's user, when and from which order key it is due, and its first exchanges from there on.
select c.user_id, d.due_at, d.from_order, d.is_old, m.*
from live_conversations c
left join due_derivations d on d.conversation_id = c.id and d.kind = %(kind)s
left join lateral (
    select u.id, u.exchange_id, u.order_key, u.revision, u.content as user_message,
        coalesce(a.content, '') as assistant_message, u.created_at, coalesce(u.accepted_at, u.created_at) as accepted_at
    from messages u
    left join messages a on a.conversation_id = u.conversation_id and a.exchange_id = u.exchange_id and a.position = 1
    where d.conversation_id is not null and c.user_id is not null and u.conversation_id = c.id and u.position = 0
        and u.order_key >= coalesce(d.from_order, '00000000-0000-0000-0000-000000000000')
    order by u.order_key
    limit %(rows)s
) as m on true
where c.thread_id = %(thread_id)s
order by m.order_key
