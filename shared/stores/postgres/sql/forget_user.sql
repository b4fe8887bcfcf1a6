-- Deletes a user's preferences and stores the user's tombstone. From then on, the views `live_conversations` and
-- `live_thread_owners` hide the user's threads: their rows have a lower `serial` than the user's deletion. Hiding takes
-- the same time for any number of threads. The cutoff includes the newest exchange of the last updated threads, because
-- the clock that created this exchange may be ahead of the caller's clock. Keys from `end` on do not count, because a
-- wrong clock created them. Each exchange in `later` is after the cutoff, and gets its own tombstone.
with newest as (
    select greatest(m.order_key, case when t.last_import < %(end)s::uuid then t.last_import end) as order_key
    from (
        select id from live_conversations where user_id = %(user_id)s order by updated_at desc, id desc limit %(thread_limit)s
    ) as c
    join conversations t on t.id = c.id
    left join lateral (
        select order_key from messages
        where conversation_id = c.id and order_key < %(end)s::uuid
        order by order_key desc
        limit 1
    ) as m on true
    order by 1 desc nulls last
    limit 1
),
reached as (
    select greatest(%(cutoff)s::uuid, (select order_key from newest)) as cutoff
),
later_exchanges as (
    insert into exchange_tombstones (thread_id, exchange_id)
    select distinct thread_id, exchange_id
    from unnest(%(later_threads)s::text[], %(later)s::uuid[]) as g (thread_id, exchange_id)
    on conflict (thread_id, exchange_id) do nothing
),
preferences as (
    delete from user_preferences where user_id = %(user_id)s
),
tombstone as (
    insert into user_tombstones as u (user_id, cutoff)
    select %(user_id)s, cutoff from reached
    on conflict (user_id) do update set cutoff = greatest(u.cutoff, excluded.cutoff), deleted_at = now()
    returning u.user_id, u.cutoff
),
hidden as (
    insert into user_erasures as e (user_id, cutoff, serial)
    -- This is also the cutoff of the user's threads. `detach.sql` stores a tombstone of each exchange after it.
    select t.user_id, r.cutoff, nextval('row_serial') from tombstone t cross join reached r
    on conflict (user_id) do update set cutoff = greatest(e.cutoff, excluded.cutoff), serial = excluded.serial
)
select cutoff from tombstone
