-- Returns the newest statements of a user's exchanges.
select s.id, s.kind, s.slot, s.value, s.text, s.quote, s.role, s.valid_from, c.thread_id, m.exchange_id, m.order_key,
    m.created_at, coalesce(m.accepted_at, m.created_at) as accepted_at
from live_conversations c
join memory_statements s on s.conversation_id = c.id and s.kind <> 'summary'
join messages m on m.id = s.message_id
where c.user_id = %(user_id)s
order by m.created_at desc, m.order_key desc, s.id
limit %(rows)s
