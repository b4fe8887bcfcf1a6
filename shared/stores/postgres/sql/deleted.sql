-- Returns which of the given exchanges of a thread were deleted, individually or with the thread or their user.
select g.exchange_id
from unnest(%(exchange_ids)s::uuid[], %(acceptances)s::uuid[], %(user_ids)s::text[])
    as g (exchange_id, acceptance, user_id)
left join thread_tombstones t on t.thread_id = %(thread_id)s
left join user_tombstones u on u.user_id = g.user_id
left join exchange_tombstones e on e.thread_id = %(thread_id)s and e.exchange_id = g.exchange_id
where e.exchange_id is not null or g.acceptance <= t.cutoff or g.acceptance <= u.cutoff
