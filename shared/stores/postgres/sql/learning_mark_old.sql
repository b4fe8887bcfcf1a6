-- Marks the exchanges of the next threads as due, and returns the number of threads that were looked at.
-- A new deriver begins with the first thread and marks all threads. Two more passes mark only the threads that were used
-- meanwhile: one after a pause of the sweeps, such as a rollback to a release that does not learn, and one 20 minutes after
-- the start of a pass, because until then processes of such a release may have stored exchanges beside it.
with state as (
    select p.*, case
        when p.model <> %(model)s then 'all'
        when p.ended_at < clock_timestamp() - interval '10 minutes' then 'pause'
        when p.ended_at is not null and p.repeat_from < clock_timestamp() - interval '20 minutes' then 'repeat'
    end as start
    from (select) as always
    left join derivation_progress p on p.kind = %(kind)s
),
progress as (
    insert into derivation_progress as p (kind, model, last_conversation_id, ended_at, used_since, repeat_from)
    select %(kind)s, %(model)s,
        case when s.start is null then s.last_conversation_id end,
        case when s.start is null then s.ended_at end,
        case s.start
            when 'all' then null
            when 'pause' then least(s.ended_at, s.repeat_from) - interval '10 minutes'
            when 'repeat' then s.repeat_from - interval '10 minutes'
            else s.used_since
        end,
        case
            when s.kind is null or s.start in ('all', 'pause') then clock_timestamp()
            when s.start is null then s.repeat_from
        end
    from state s
    on conflict (kind) do update set
        model = excluded.model,
        last_conversation_id = excluded.last_conversation_id,
        ended_at = excluded.ended_at,
        used_since = excluded.used_since,
        repeat_from = excluded.repeat_from
    returning last_conversation_id, ended_at, used_since
),
next as (
    select c.id, c.user_id,
        p.used_since is null or c.updated_at >= p.used_since
        -- An import has its time of acceptance only in this key, a UUIDv7.
        or coalesce(c.last_import >= rpad(
            lpad(to_hex((extract(epoch from p.used_since) * 1000)::bigint), 12, '0'), 32, '0'
        )::uuid, false) as is_used
    from conversations c, progress p
    where p.ended_at is null and (p.last_conversation_id is null or c.id > p.last_conversation_id)
    order by c.id
    limit %(rows)s
),
marked as (
    insert into due_derivations (conversation_id, kind, is_old)
    select n.id, %(kind)s, true from next n where n.user_id is not null and n.is_used
    on conflict (conversation_id, kind) do update set is_old = true, from_order = null
)
select count(*) as threads, max(id::text)::uuid as last from next
