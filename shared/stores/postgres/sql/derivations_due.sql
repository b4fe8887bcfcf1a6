-- Returns the threads that have been due the longest. From now on they count as due again, so that they are not returned
-- again too soon.
with oldest as (
    select d.conversation_id, c.thread_id
    from due_derivations d
    join live_conversations c on c.id = d.conversation_id
    where d.kind = %(kind)s and d.due_at < clock_timestamp() - make_interval(secs => %(age)s)
    order by d.due_at
    limit %(rows)s
    for update of d skip locked
)
update due_derivations d set due_at = clock_timestamp()
from oldest o
where d.conversation_id = o.conversation_id and d.kind = %(kind)s
returning o.thread_id
