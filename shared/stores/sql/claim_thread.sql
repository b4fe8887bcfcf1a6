-- claim_thread
-- Makes a thread somebody's unless it is somebody's already, and says whose it is now.
insert into thread_owners as o (thread_id, user_id)
select given.thread_id, case when c.id is null then given.user_id else c.user_id end
from (values (%(thread_id)s::text, %(user_id)s::text)) as given (thread_id, user_id)
left join conversations c on c.thread_id = given.thread_id
on conflict (thread_id) do update set thread_id = excluded.thread_id
returning o.user_id, (select t.cutoff from thread_tombstones t where t.thread_id = o.thread_id) as cutoff
