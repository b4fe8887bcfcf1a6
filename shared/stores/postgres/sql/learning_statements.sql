-- Returns the newest statements of a user's exchanges: of each slot the newest one first, so that a slot with few
-- statements is not displaced by one with many.
select id, kind, slot, value, text, quote, role, valid_from, thread_id, exchange_id, order_key, revision, created_at,
    accepted_at
from (
    select s.id, s.kind, s.slot, s.value, s.text, s.quote, s.role, s.valid_from, c.thread_id, m.exchange_id, m.order_key,
        m.revision, m.created_at, coalesce(m.accepted_at, m.created_at) as accepted_at,
        row_number() over (partition by s.slot order by m.order_key desc, s.id) as place
    from live_conversations c
    join memory_statements s on s.conversation_id = c.id and s.kind <> 'summary'
    join messages m on m.id = s.message_id
    where c.user_id = %(user_id)s
) as ranked
order by place, order_key desc, id
limit %(rows)s
