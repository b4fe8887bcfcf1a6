-- Returns the stored exchanges with these ids.
select c.thread_id, m.exchange_id, m.position, m.content, m.metadata::text, m.created_at, m.revision, m.accepted_at, c.user_id
from unnest(%(thread_ids)s::text[], %(exchange_ids)s::uuid[]) as wanted (thread_id, exchange_id)
join live_conversations c on c.thread_id = wanted.thread_id
join messages m on m.conversation_id = c.id and m.exchange_id = wanted.exchange_id
order by m.order_key, m.position
