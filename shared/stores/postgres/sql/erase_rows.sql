-- Deletes some rows of deleted threads. `reached` lets the next call skip the rows that are gone.
with chosen as materialized (
    select conversation_id, thread_id, reached from erasures
    where %(only)s::uuid[] is null or conversation_id = any(%(only)s::uuid[])
    order by erased_at, conversation_id
    limit %(conversations)s
    for update skip locked
),
doomed as materialized (
    select c.conversation_id, m.place, m.exchange_id, m.order_key
    from chosen c
    cross join lateral (
        select m.ctid as place, m.exchange_id, m.order_key from messages m
        where m.conversation_id = c.conversation_id
            and m.order_key >= coalesce(c.reached, '00000000-0000-0000-0000-000000000000')
        order by m.order_key
        limit %(rows)s
    ) as m
    limit %(rows)s
),
answered as (
    -- The key stays, so that a repetition learns of the deletion; its response is emptied.
    update idempotency_keys set answer = '{}'
    where exchange_id = any(array(select exchange_id from doomed)) and answer is not null
        and (thread_id is null or thread_id = any(array(select thread_id from chosen)))
),
deleted as (
    delete from messages where ctid = any(array(select place from doomed)) returning 1
),
detached as (
    delete from conversation_documents where ctid = any(array(
        select d.ctid from chosen c join conversation_documents d on d.conversation_id = c.conversation_id
        limit %(rows)s
    ))
    returning 1
),
moved as (
    update erasures e set reached = last.order_key
    from (
        select distinct on (conversation_id) conversation_id, order_key from doomed
        order by conversation_id, order_key desc
    ) as last
    where e.conversation_id = last.conversation_id
)
select
    array(select conversation_id from chosen) as conversation_ids,
    (select count(*) from deleted) + (select count(*) from detached) as rows
