-- Deletes an exchange permanently, if it exists.
with deleted as (
    delete from messages m using live_conversations c
    where c.thread_id = %(thread_id)s and m.conversation_id = c.id and m.exchange_id = %(exchange_id)s
    returning m.exchange_id
),
tombstone as (
    insert into exchange_tombstones (thread_id, exchange_id)
    select %(thread_id)s, exchange_id from deleted group by exchange_id
    on conflict (thread_id, exchange_id) do nothing
),
emptied_responses as (
    -- Empty the response, but do not delete the key, so that a repeated request finds the deletion.
    update idempotency_keys k set answer = '{}'
    where k.thread_id = %(thread_id)s and k.answer::json ->> 'exchange_id' = %(exchange_id)s::text
        and exists (select from deleted)
)
select exists (select from deleted) as was_there, exists (
    select from exchange_tombstones where thread_id = %(thread_id)s and exchange_id = %(exchange_id)s
) as was_deleted
