-- Counts the learned statements of a page, and those that are wrong. The page begins after the given one; the last row
-- of the page is returned, also if it is not counted. A marker of a summary quotes nothing and has no value.
with page as materialized (
    select s.id, s.message_id, s.conversation_id, s.kind, s.slot, s.value, s.quote, s.role
    from memory_statements s
    where (s.message_id, s.id) > (%(message_id)s, %(statement_id)s)
    order by s.message_id, s.id
    limit %(rows)s
), checked as (
    select m.id is null or m.conversation_id <> s.conversation_id as is_orphaned,
        not exists (
            select from messages quoted
            where quoted.conversation_id = m.conversation_id and quoted.exchange_id = m.exchange_id
                and quoted.role = s.role
                and position(convert_to(s.quote, 'UTF8') in convert_to(quoted.content, 'UTF8')) > 0
        ) and s.quote <> '' or s.quote = '' and s.value <> '' as is_unquoted,
        exists (
            select from memory_statements first
            where first.message_id = s.message_id and first.id < s.id
                and first.kind = s.kind and first.slot = s.slot and first.value = s.value
        ) as is_doubled
    from page s
    left join messages m on m.id = s.message_id
    left join live_conversations l on l.id = m.conversation_id
    -- The sweep deletes the rows of hidden threads in steps.
    where m.id is null or l.id is not null
), last as (
    select id, message_id from page order by message_id desc, id desc limit 1
)
select count(*) as statements,
    count(*) filter (where is_unquoted and not is_orphaned) as unquoted,
    count(*) filter (where is_doubled) as doubled,
    count(*) filter (where is_orphaned) as orphaned,
    (select count(*) from page) as rows,
    (select message_id from last) as last_message_id,
    (select id from last) as last_id
from checked
