-- How much of a user there is.
with owned as (select id from conversations where user_id = %(user_id)s)
select
    (select count(*) from owned) as threads,
    (select count(*) from messages where conversation_id in (select id from owned)) as messages,
    (select count(*) from conversation_documents where conversation_id in (select id from owned)) as documents,
    (select count(*) from user_preferences where user_id = %(user_id)s) as preferences
