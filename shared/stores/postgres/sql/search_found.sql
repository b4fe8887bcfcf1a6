-- Returns exchanges of a user by the ids of their user messages.
select u.id, c.thread_id, c.title, c.user_id, u.exchange_id, u.created_at, u.accepted_at, u.revision, u.metadata::text,
    u.content as user_message, coalesce(a.content, '') as assistant_message
from unnest(%(row_ids)s::uuid[]) as wanted (id)
join messages u on u.id = wanted.id and u.position = 0
join live_conversations c on c.id = u.conversation_id
left join messages a on a.conversation_id = u.conversation_id and a.exchange_id = u.exchange_id and a.position = 1
where c.user_id = %(user_id)s
