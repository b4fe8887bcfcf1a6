-- The newest exchanges of a thread, newest first, as two rows each; one more than asked for says that there are older.
select m.exchange_id, m.position, m.content, m.created_at, c.user_id
from conversations c
join messages m on m.conversation_id = c.id
where c.thread_id = %(thread_id)s
order by m.order_key desc, m.position desc
limit %(rows)s
