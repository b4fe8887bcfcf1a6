-- Sets a thread's owner if the thread has none, and returns the owner. A claim of a user who was deleted later is
-- invalid: the row's `serial` is then lower than that of the user's deletion (see `forget_user.sql`).
insert into thread_owners as o (thread_id, user_id)
select given.thread_id, case when c.id is null then given.user_id else c.user_id end
from (values (%(thread_id)s::text, %(user_id)s::text)) as given (thread_id, user_id)
left join live_conversations c on c.thread_id = given.thread_id
on conflict (thread_id) do update set
    user_id = case
        -- Read the row itself, because a concurrent claim may have changed it while this statement waited.
        when coalesce(o.serial, 0) > coalesce((select e.serial from user_erasures e where e.user_id = o.user_id), -1)
            then o.user_id
        else excluded.user_id
    end,
    serial = excluded.serial
returning o.user_id, (select t.cutoff from thread_tombstones t where t.thread_id = o.thread_id) as cutoff
