-- Returns the ids of the exchanges next to each given one in its thread: the two before it and the two after it, nearest
-- first. An exchange outside of the search's time is null.
select
    array(
        select
            case
                when b.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
                    and b.created_at < coalesce(%(until)s::timestamptz, 'infinity') then b.id
            end
        from messages b
        where b.conversation_id = m.conversation_id and b.position = 0 and b.order_key < m.order_key
        order by b.order_key desc
        limit 2
    ) as before,
    array(
        select
            case
                when a.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
                    and a.created_at < coalesce(%(until)s::timestamptz, 'infinity') then a.id
            end
        from messages a
        where a.conversation_id = m.conversation_id and a.position = 0 and a.order_key > m.order_key
        order by a.order_key
        limit 2
    ) as after
from unnest(%(row_ids)s::uuid[]) with ordinality as wanted (id, number)
left join messages m on m.id = wanted.id
order by wanted.number
