-- Returns the numbers of the given exchanges that are neither stored, in this or a later revision, nor deleted.
select g.number, c.title
from unnest(
    %(numbers)s::int[], %(thread_ids)s::text[], %(user_ids)s::text[], %(exchange_ids)s::uuid[], %(acceptances)s::uuid[],
    %(revisions)s::int[]
) as g (number, thread_id, user_id, exchange_id, acceptance, revision)
left join thread_tombstones t on t.thread_id = g.thread_id
left join user_tombstones u on u.user_id = g.user_id
left join exchange_tombstones e on e.thread_id = g.thread_id and e.exchange_id = g.exchange_id
left join live_conversations c on c.thread_id = g.thread_id
left join live_thread_owners o on o.thread_id = g.thread_id
left join messages m on m.conversation_id = c.id and m.exchange_id = g.exchange_id and m.position = 0
where e.exchange_id is null
    and (t.cutoff is null or g.acceptance > t.cutoff)
    and (u.cutoff is null or g.acceptance > u.cutoff)
    and (c.id is null or c.user_id is not distinct from g.user_id)
    and (o.thread_id is null or o.user_id is not distinct from g.user_id)
    and (m.id is null or m.revision < g.revision)
order by g.number
