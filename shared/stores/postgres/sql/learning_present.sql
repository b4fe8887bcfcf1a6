-- Returns the exchanges that a thread has now from one order key to another.
select id, revision, coalesce(accepted_at, created_at) as accepted_at
from messages
where conversation_id = %(conversation_id)s and position = 0
    and order_key between coalesce(%(first)s::uuid, '00000000-0000-0000-0000-000000000000') and %(last)s
order by order_key
