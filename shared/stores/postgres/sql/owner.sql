-- Returns a thread's owner and cutoff, always in one row. `is_known` is false if the thread has no owner. An owner
-- without a user id is anonymous.
select
    (select cutoff from thread_tombstones where thread_id = %(thread_id)s) as cutoff,
    found.has_owner is not null as is_known,
    found.user_id
from (values (1)) as always (one)
left join lateral (
    select o.user_id, true as has_owner, 0 as rank from live_thread_owners o where o.thread_id = %(thread_id)s
    union all
    select c.user_id, true, 1 from live_conversations c where c.thread_id = %(thread_id)s
    order by rank
    limit 1
) as found on true
