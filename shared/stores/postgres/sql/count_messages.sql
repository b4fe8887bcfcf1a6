-- Counts the messages of some conversations, whose rows are locked, so that no message is added meanwhile.
update conversations c set message_count = (select count(*) from messages m where m.conversation_id = c.id)
where c.id = any(%(conversation_ids)s)
