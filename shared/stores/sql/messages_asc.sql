-- A page of a thread's messages in thread order, from a place in it.
select m.exchange_id, m.order_key, m.position, m.role, m.content, m.created_at
from conversations c
join messages m on m.conversation_id = c.id
where c.thread_id = %(thread_id)s
    and (m.order_key, m.position) > (%(order_key)s::uuid, %(position)s::smallint)
order by m.order_key, m.position
limit %(rows)s
