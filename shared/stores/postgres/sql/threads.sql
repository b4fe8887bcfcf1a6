-- Returns a user's threads, newest first, after a position in that order.
select c.thread_id, c.user_id, c.title, c.created_at, c.updated_at, c.id,
    coalesce(
        c.message_count, (select count(*) from messages m where m.conversation_id = c.id)
    ) as message_count
from live_conversations c
where c.user_id = %(user_id)s
    and (c.updated_at, c.id) < (%(before_time)s::timestamptz, %(before_id)s::uuid)
order by c.updated_at desc, c.id desc
limit %(rows)s
