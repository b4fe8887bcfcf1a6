-- Deletes conversations that `erase_rows.sql` has emptied.
delete from conversations c using erasures e
where c.id = any(%(conversation_ids)s) and e.conversation_id = c.id
    and not exists (
        select from messages m where m.conversation_id = c.id
            and m.order_key >= coalesce(e.reached, '00000000-0000-0000-0000-000000000000')
    )
    and not exists (select from conversation_documents d where d.conversation_id = c.id)
