-- Counts characters that a model reads for a user on a day, unless there would be too many. Returns whether it counted.
insert into learning_users as l (user_id, budget_day, budget_used)
select %(user_id)s::text, %(day)s, %(characters)s
-- Nothing is stored about a user who was deleted meanwhile.
where %(characters)s <= %(most)s and exists (select from live_conversations where user_id = %(user_id)s::text)
on conflict (user_id) do update set
    budget_day = excluded.budget_day,
    budget_used = excluded.budget_used + case when l.budget_day = excluded.budget_day then l.budget_used else 0 end
where excluded.budget_used + case when l.budget_day = excluded.budget_day then l.budget_used else 0 end <= %(most)s
returning true as has_counted
