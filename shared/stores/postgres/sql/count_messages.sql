-- Counts the messages of some conversations. The caller has locked their rows, so that no other transaction adds one.
update conversations c set message_count = (select count(*) from messages m where m.conversation_id = c.id)
where c.id = any(%(conversation_ids)s)
