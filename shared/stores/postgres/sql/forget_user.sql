-- Deletes a user's preferences and stores the user's tombstone. From then on, the views `live_conversations` and
-- `live_thread_owners` hide the user's threads: their rows have a lower `serial` than the user's deletion. Hiding takes
-- the same time for any number of threads. The cutoff includes the newest exchange of the last updated threads, because
-- the clock that created this exchange may be ahead of the caller's clock.
with newest as (
    select greatest(m.order_key, t.last_import) as order_key
    from (
        select id from live_conversations where user_id = %(user_id)s order by updated_at desc, id desc limit %(thread_limit)s
    ) as c
    join conversations t on t.id = c.id
    cross join lateral (
        select order_key from messages where conversation_id = c.id order by order_key desc limit 1
    ) as m
    order by 1 desc
    limit 1
),
preferences as (
    delete from user_preferences where user_id = %(user_id)s
),
tombstone as (
    insert into user_tombstones as u (user_id, cutoff)
    values (%(user_id)s, greatest(%(cutoff)s::uuid, (select order_key from newest)))
    on conflict (user_id) do update set cutoff = greatest(u.cutoff, excluded.cutoff), deleted_at = now()
    returning u.user_id, u.cutoff
),
hidden as (
    insert into user_erasures as e (user_id, cutoff, serial)
    -- This is the lowest cutoff of the user's threads. `detach.sql` raises it to the newest exchange of each thread.
    select user_id, %(cutoff)s::uuid, nextval('row_serial') from tombstone
    on conflict (user_id) do update set cutoff = greatest(e.cutoff, excluded.cutoff), serial = excluded.serial
)
select cutoff from tombstone
