-- Returns those of a user's exchanges whose vectors are of their present texts, with their threads.
select m.id, uuid_send(c.id) as conversation_id
from unnest(%(row_ids)s::uuid[]) as chosen (id)
join exchange_vectors v on v.message_id = chosen.id and v.model = %(model)s
join messages m on m.id = v.message_id and m.revision = v.revision
    and coalesce(m.accepted_at, m.created_at) = v.accepted_at
join live_conversations c on c.id = m.conversation_id
where c.user_id = %(user_id)s
    and (%(thread_id)s::text is null or c.thread_id = %(thread_id)s)
    and c.thread_id is distinct from %(exclude_thread_id)s::text
