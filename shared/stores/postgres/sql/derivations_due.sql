-- Returns threads that have been due for some time, and records that they are sent.
with oldest as (
    select d.conversation_id, c.thread_id
    from due_derivations d
    join live_conversations c on c.id = d.conversation_id
    where d.kind = %(kind)s
        and d.due_at < clock_timestamp() - make_interval(secs => %(age)s)
        and coalesce(d.sent_at < clock_timestamp() - make_interval(secs => %(sent_age)s), true)
    order by d.due_at
    limit %(rows)s
    for update of d skip locked
)
update due_derivations d set sent_at = clock_timestamp()
from oldest o
where d.conversation_id = o.conversation_id and d.kind = %(kind)s
returning o.thread_id
