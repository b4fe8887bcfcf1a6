-- Records that something is to be derived from these threads, from the given order keys on.
insert into due_derivations (conversation_id, kind, from_order)
select c.id, k.kind, t.from_order
from unnest(%(thread_ids)s::text[], %(from_orders)s::uuid[]) as t (thread_id, from_order)
join conversations c on c.thread_id = t.thread_id
cross join unnest(%(kinds)s::text[]) as k (kind)
where c.user_id is not null
order by c.id, k.kind
on conflict (conversation_id, kind) do update set
    due_at = clock_timestamp(), sent_at = null,
    -- Null stands for the start of the thread.
    from_order = case
        when due_derivations.from_order is not null then least(due_derivations.from_order, excluded.from_order)
    end
