-- Returns a thread with its documents.
select c.thread_id, c.user_id, c.title, c.created_at, c.updated_at,
    coalesce(
        c.message_count, (select count(*) from messages m where m.conversation_id = c.id)
    ) as message_count,
    array(
        select d.document_id::text from conversation_documents d
        where d.conversation_id = c.id order by d.attached_at, d.document_id
    ) as document_ids
from live_conversations c
where c.thread_id = %(thread_id)s
