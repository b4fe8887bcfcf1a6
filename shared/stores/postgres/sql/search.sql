-- Returns a user's messages that match any of the patterns: most matches first, then newest first.
select c.thread_id, c.title, m.role, m.content, m.created_at
from live_conversations c
join messages m on m.conversation_id = c.id
cross join lateral (select count(*) as hits from unnest(%(patterns)s::text[]) p where m.content ilike p) as found
where c.user_id = %(user_id)s
    and c.thread_id is distinct from %(exclude_thread)s::text
    and found.hits > 0
order by found.hits desc, m.order_key desc
limit %(rows)s
