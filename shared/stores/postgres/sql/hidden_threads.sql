-- Returns some threads that a deleted user still owns, and their cutoff: threads with a conversation, and threads that the
-- user has only claimed.
with erasure as (
    select * from user_erasures where user_id = %(user_id)s
),
stored as (
    select c.thread_id
    from erasure join conversations c on c.user_id = erasure.user_id and coalesce(c.serial, 0) <= erasure.serial
    limit %(limit)s
),
claimed as (
    select o.thread_id
    from erasure join thread_owners o on o.user_id = erasure.user_id and coalesce(o.serial, 0) <= erasure.serial
    limit %(limit)s
)
select threads.thread_id, erasure.cutoff
from erasure
join (
    select thread_id from stored
    union all
    select thread_id from claimed
) as threads on true
