-- Returns the newest sentences of the summaries of a user's long threads: those from before each thread's window.
select s.*
from live_conversations c
cross join lateral (
    select order_key from messages where conversation_id = c.id and position = 0
    order by order_key desc
    limit 1 offset %(window)s - 1
) as oldest
cross join lateral (
    select s.id, s.kind, s.slot, s.value, s.text, s.quote, s.role, s.valid_from, c.thread_id, m.exchange_id, m.order_key,
        m.revision, m.created_at, coalesce(m.accepted_at, m.created_at) as accepted_at
    from memory_statements s
    join messages m on m.id = s.message_id and m.order_key < oldest.order_key
    where s.conversation_id = c.id and s.kind = 'summary' and s.value <> ''
    order by m.order_key desc, s.id
    limit %(sentences)s
) as s
where c.user_id = %(user_id)s and coalesce(c.thread_id = %(thread_id)s, true)
    and coalesce(c.message_count > 2 * %(window)s, true)
order by s.order_key desc, s.id
