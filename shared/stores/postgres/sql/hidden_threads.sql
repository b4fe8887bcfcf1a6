-- Returns some threads that a deleted user still owns, with and without rows, and their cutoffs.
with e as (
    select * from user_erasures where user_id = %(user_id)s
),
stored as (
    select c.thread_id, greatest((
        select m.order_key from messages m where m.conversation_id = c.id order by m.order_key desc limit 1
    ), c.last_import) as newest
    from e join conversations c on c.user_id = e.user_id and coalesce(c.serial, 0) <= e.serial
    limit %(limit)s
),
claimed as (
    select o.thread_id from e join thread_owners o on o.user_id = e.user_id and coalesce(o.serial, 0) <= e.serial
    limit %(limit)s
)
select cutoffs.thread_id, greatest(e.cutoff, cutoffs.newest) as cutoff
from e
join (
    select thread_id, newest from stored
    union all
    select thread_id, null from claimed
) as cutoffs on true
