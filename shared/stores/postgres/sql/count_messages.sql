-- Counts the messages of some conversations. Their rows are locked, so that nothing is added to them meanwhile.
update conversations c set message_count = (select count(*) from messages m where m.conversation_id = c.id)
where c.id = any(%(conversation_ids)s)
