-- Deletes the rows of deleted exchanges that a previous release stored again. The statement checks some tombstones of
-- the last day, after a given one. It returns the last checked tombstone, the number of checked tombstones, and the
-- threads of the deleted rows.
with checked as materialized (
    select deleted_at, thread_id, exchange_id from exchange_tombstones
    where deleted_at > now() - interval '1 day'
        and (
            %(deleted_at)s::timestamptz is null
            or (deleted_at, thread_id, exchange_id) > (%(deleted_at)s, %(thread_id)s::text, %(exchange_id)s::uuid)
        )
    order by deleted_at, thread_id, exchange_id
    limit %(rows)s
), removed as (
    delete from messages m using checked l, conversations c
    where c.thread_id = l.thread_id and m.conversation_id = c.id and m.exchange_id = l.exchange_id
    returning c.thread_id
), last as (
    select * from checked order by deleted_at desc, thread_id desc, exchange_id desc limit 1
)
select
    last.deleted_at,
    last.thread_id,
    last.exchange_id,
    (select count(*) from checked) as checked,
    array(select distinct thread_id from removed order by thread_id) as thread_ids
from (select) as one left join last on true
