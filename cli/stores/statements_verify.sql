-- Counts the learned statements, those that are wrong, and the threads that have been due for longer than %(age)s seconds.
-- A marker of a summary quotes nothing and has no value.
with checked as (
    select s.id,
        m.id is null or m.conversation_id <> s.conversation_id as is_orphaned,
        not exists (
            select from messages quoted
            where quoted.conversation_id = m.conversation_id and quoted.exchange_id = m.exchange_id
                and quoted.role = s.role
                and position(convert_to(s.quote, 'UTF8') in convert_to(quoted.content, 'UTF8')) > 0
        ) and s.quote <> '' or s.quote = '' and s.value <> '' as is_unquoted,
        row_number() over (partition by s.message_id, s.kind, s.slot, s.value order by s.id) > 1 as is_doubled
    from memory_statements s
    left join messages m on m.id = s.message_id
    left join live_conversations l on l.id = m.conversation_id
    -- The sweep deletes the rows of hidden threads in steps.
    where m.id is null or l.id is not null
)
select count(*) as statements,
    count(*) filter (where is_unquoted and not is_orphaned) as unquoted,
    count(*) filter (where is_doubled) as doubled,
    count(*) filter (where is_orphaned) as orphaned,
    (select count(*) from due_derivations d join live_conversations l on l.id = d.conversation_id
        where d.kind = 'memories' and d.due_at < clock_timestamp() - make_interval(secs => %(age)s)) as overdue
from checked
