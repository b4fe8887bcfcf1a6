-- Replaces statements of some exchanges, and returns the number of new and of removed ones. A trigger logs removed ones.
with removed as (
    delete from memory_statements
    where message_id = any(%(read)s::uuid[]) and (kind = 'summary') = %(is_summary)s and id <> all(%(ids)s::uuid[])
    returning 1
),
added as (
    insert into memory_statements as s (
        id, message_id, conversation_id, deriver, kind, slot, value, text, quote, role, valid_from
    )
    select n.id, n.message_id, %(conversation_id)s, %(deriver)s, n.kind, n.slot, n.value, n.text, n.quote, n.role,
        n.valid_from
    from unnest(
        %(ids)s::uuid[], %(row_ids)s::uuid[], %(kinds)s::text[], %(slots)s::text[], %(values)s::text[], %(texts)s::text[],
        %(quotes)s::text[], %(roles)s::text[], %(valid_from)s::timestamptz[]
    ) as n (id, message_id, kind, slot, value, text, quote, role, valid_from)
    -- A newer version of the deriver may word the same in another way.
    on conflict (id) do update set text = excluded.text, quote = excluded.quote, valid_from = excluded.valid_from,
        deriver = excluded.deriver
    where (s.text, s.quote, s.valid_from) is distinct from (excluded.text, excluded.quote, excluded.valid_from)
    returning 1
)
select (select count(*) from added) as added, (select count(*) from removed) as removed
