-- The newest exchanges of a thread, newest first, as two rows each; one more than asked for says that there are older.
-- A row comes in any case, for the thread's last deletion; the exchanges deleted last are rows without a position.
-- Limited within, where the conversation is known: the index then gives the order, however long the thread is.
select t.cutoff, m.exchange_id, m.position, m.content, m.metadata::text, m.created_at, m.revision, m.user_id
from (select (select cutoff from thread_tombstones where thread_id = %(thread_id)s) as cutoff) as t
left join lateral (
    select newest.exchange_id, newest.position, newest.content, newest.metadata, newest.created_at, newest.revision,
        c.user_id, newest.order_key
    from live_conversations c
    cross join lateral (
        select * from messages m
        where m.conversation_id = c.id
        order by m.order_key desc, m.position desc
        limit %(rows)s
    ) as newest
    where c.thread_id = %(thread_id)s
    union all
    (
        select exchange_id, null, null, null, null, null, null, null from exchange_tombstones
        where thread_id = %(thread_id)s
        order by deleted_at desc
        limit %(deleted)s
    )
) as m on true
order by m.order_key desc, m.position desc
