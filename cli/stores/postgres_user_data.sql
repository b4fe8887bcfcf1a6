-- Counts a user's data. `erasing` counts hidden threads whose rows are not deleted yet.
with owned as (select id, message_count from live_conversations where user_id = %(user_id)s)
select
    (select count(*) from owned) as threads,
    (
        select coalesce(sum(coalesce(
            message_count, (select count(*) from messages m where m.conversation_id = owned.id)
        )), 0) from owned
    ) as messages,
    (select count(*) from conversation_documents where conversation_id in (select id from owned)) as documents,
    (select count(*) from user_preferences where user_id = %(user_id)s) as preferences,
    (select count(*) from erasures where user_id = %(user_id)s)
        + (select count(*) from conversations where user_id = %(user_id)s) - (select count(*) from owned) as erasing
