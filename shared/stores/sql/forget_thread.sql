-- Deletes a thread and remembers it, up to the newest exchange that is known here or was seen by the caller.
with newest as (
    select m.order_key
    from conversations c join messages m on m.conversation_id = c.id
    where c.thread_id = %(thread_id)s
    order by m.order_key desc
    limit 1
),
deleted as (
    delete from conversations where thread_id = %(thread_id)s returning id
),
answered as (
    -- The key stays, so that a repetition is told of the deletion; what it answered does not.
    update idempotency_keys k set answer = '{}'
    from conversations c join messages m on m.conversation_id = c.id
    where c.thread_id = %(thread_id)s and k.exchange_id = m.exchange_id and k.answer is not null
),
unclaimed as (
    delete from thread_owners where thread_id = %(thread_id)s
),
remembered as (
    insert into thread_tombstones as t (thread_id, cutoff)
    values (%(thread_id)s, greatest(%(cutoff)s::uuid, (select order_key from newest)))
    on conflict (thread_id) do update set cutoff = greatest(t.cutoff, excluded.cutoff), deleted_at = now()
    returning t.cutoff
)
select r.cutoff, exists (select from deleted) as existed from remembered r
