-- Deletes some rows of deleted threads. Each thread's `reached` is the order key of its last deleted row, where the
-- next call starts.
with chosen as materialized (
    select conversation_id, thread_id, reached from erasures
    where %(only)s::uuid[] is null or conversation_id = any(%(only)s::uuid[])
    order by erased_at, conversation_id
    limit %(conversations)s
    for update skip locked
),
selected as materialized (
    select c.conversation_id, m.row_id, m.exchange_id, m.order_key
    from chosen c
    cross join lateral (
        select m.ctid as row_id, m.exchange_id, m.order_key from messages m
        where m.conversation_id = c.conversation_id
            and m.order_key >= coalesce(c.reached, '00000000-0000-0000-0000-000000000000')
        order by m.order_key
        limit %(rows)s
    ) as m
    limit %(rows)s
),
emptied_responses as (
    -- Empty the response, but do not delete the key, so that a repeated request finds the deletion.
    update idempotency_keys set answer = '{}'
    where exchange_id = any(array(select exchange_id from selected)) and answer is not null
        and (thread_id is null or thread_id = any(array(select thread_id from chosen)))
),
deleted as (
    delete from messages where ctid = any(array(select row_id from selected)) returning 1
),
deleted_documents as (
    delete from conversation_documents where ctid = any(array(
        select d.ctid from chosen c join conversation_documents d on d.conversation_id = c.conversation_id
        limit %(rows)s
    ))
    returning 1
),
progress as (
    update erasures e set reached = last.order_key
    from (
        select distinct on (conversation_id) conversation_id, order_key from selected
        order by conversation_id, order_key desc
    ) as last
    where e.conversation_id = last.conversation_id
)
select
    array(select conversation_id from chosen) as conversation_ids,
    (select count(*) from deleted) + (select count(*) from deleted_documents) as rows
