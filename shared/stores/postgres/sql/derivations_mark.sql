-- Records that something is to be derived from these threads.
insert into due_derivations (conversation_id, kind)
select c.id, k.kind
from conversations c
cross join unnest(%(kinds)s::text[]) as k (kind)
where c.thread_id = any(%(thread_ids)s::text[]) and c.user_id is not null
order by c.id, k.kind
on conflict (conversation_id, kind) do update set due_at = clock_timestamp(), sent_at = null
