-- Returns a page of a thread's messages in reverse thread order, before a position.
select m.exchange_id, m.order_key, m.position, m.role, m.content, m.metadata::text, m.created_at, m.revision,
    m.accepted_at, m.stored_at
from messages m
where m.conversation_id = (
        select id from live_conversations
        where thread_id = %(thread_id)s and (%(owner)s::text is null or user_id = %(owner)s::text)
    )
    and (m.order_key, m.position) < (%(order_key)s::uuid, %(position)s::smallint)
order by m.order_key desc, m.position desc
limit %(rows)s
