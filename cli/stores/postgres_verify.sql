-- The newest messages of several threads, each thread's oldest first.
select wanted.thread_id, m.exchange_id, m.role, m.content, m.metadata::text, m.created_at, m.order_key, m.revision,
    m.accepted_at
from unnest(%(thread_ids)s::text[]) as wanted (thread_id)
join live_conversations c on c.thread_id = wanted.thread_id
cross join lateral (
    select
        m.exchange_id, m.position, m.role, m.content, m.metadata, m.created_at, m.order_key, m.revision, m.accepted_at
    from messages m
    where m.conversation_id = c.id
    order by m.order_key desc, m.position desc
    limit %(rows)s
) m
order by wanted.thread_id, m.order_key, m.position
