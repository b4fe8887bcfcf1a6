-- Returns some exchanges that are not indexed, and locks them. Another transaction may be writing the others.
with chosen as materialized (
    select m.id, m.conversation_id, m.exchange_id, m.content, m.revision, coalesce(m.accepted_at, m.created_at) as accepted_at
    from messages m
    where {unindexed}
    {order}
    limit %(rows)s
    for update of m skip locked
)
select m.id, m.content as user_message, coalesce(a.content, '') as assistant_message, m.revision, m.accepted_at
from chosen m
left join messages a on a.conversation_id = m.conversation_id and a.exchange_id = m.exchange_id and a.position = 1
