-- Returns a thread's exchanges without a valid vector of the model, oldest first, and when the thread became due.
select d.due_at, m.id, m.user_message, m.assistant_message, m.revision, m.accepted_at
from live_conversations c
left join due_derivations d on d.conversation_id = c.id and d.kind = %(kind)s
left join lateral (
    select u.id, u.content as user_message, coalesce(a.content, '') as assistant_message, u.revision,
        coalesce(u.accepted_at, u.created_at) as accepted_at
    from messages u
    left join messages a on a.conversation_id = u.conversation_id and a.exchange_id = u.exchange_id and a.position = 1
    left join exchange_vectors v on v.message_id = u.id and v.model = %(model)s and v.revision = u.revision
        and v.accepted_at = coalesce(u.accepted_at, u.created_at)
    where u.conversation_id = c.id and u.position = 0 and v.message_id is null and c.user_id is not null
    order by u.order_key
    limit %(rows)s
) as m on true
where c.thread_id = %(thread_id)s
