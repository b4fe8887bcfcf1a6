-- Deletes all of a user's threads and preferences and remembers it; `also` are threads that only L1 knows.
with owned as (
    select c.id, c.thread_id,
        (select m.order_key from messages m where m.conversation_id = c.id order by m.order_key desc limit 1) as newest
    from conversations c
    where c.user_id = %(user_id)s
),
named as (
    select thread_id, newest from owned
    union
    select a.thread_id, null
    from unnest(%(also)s::text[]) as a (thread_id)
    where not exists (select from conversations c where c.thread_id = a.thread_id)
        and not exists (
            select from thread_owners o
            where o.thread_id = a.thread_id and o.user_id is distinct from %(user_id)s
        )
    union
    select o.thread_id, null
    from thread_owners o
    where o.user_id = %(user_id)s and not exists (select from conversations c where c.thread_id = o.thread_id)
),
answered as (
    -- The keys stay, so that a repetition is told of the deletion; what they answered does not.
    update idempotency_keys k set answer = '{}'
    from owned o join messages m on m.conversation_id = o.id
    where k.exchange_id = m.exchange_id and k.answer is not null
),
unclaimed as (
    delete from thread_owners o using named n where o.thread_id = n.thread_id
),
preferences as (
    delete from user_preferences where user_id = %(user_id)s
),
deleted as (
    delete from conversations c using owned o where c.id = o.id
),
remembered as (
    insert into thread_tombstones as t (thread_id, cutoff)
    select thread_id, greatest(%(cutoff)s::uuid, newest) from named order by thread_id
    on conflict (thread_id) do update set cutoff = greatest(t.cutoff, excluded.cutoff), deleted_at = now()
    returning t.thread_id, t.cutoff
),
remembered_user as (
    insert into user_tombstones as u (user_id, cutoff)
    values (%(user_id)s, greatest(%(cutoff)s::uuid, (select newest from owned order by newest desc nulls last limit 1)))
    on conflict (user_id) do update set cutoff = greatest(u.cutoff, excluded.cutoff), deleted_at = now()
    returning u.cutoff
)
select null as thread_id, cutoff from remembered_user
union all
select thread_id, cutoff from remembered
