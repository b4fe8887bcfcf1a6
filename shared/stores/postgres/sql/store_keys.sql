-- Stores the idempotency keys and responses of the requests that created stored exchanges, because a request may have
-- failed to store them itself. The key of a deleted exchange gets an empty response, so that a repeated request finds
-- the deletion.
insert into idempotency_keys as k (key, body_hash, exchange_id, answer, thread_id, claimed_at)
select
    given.key, given.body_hash, given.exchange_id,
    case
        when exists (
            select from messages m join live_conversations c on c.id = m.conversation_id
            where c.thread_id = given.thread_id and m.exchange_id = given.exchange_id
        ) then given.answer
        else '{}'
    end,
    given.thread_id, now()
from unnest(
    %(keys)s::text[], %(body_hashes)s::text[], %(exchange_ids)s::uuid[], %(answers)s::text[], %(thread_ids)s::text[]
) as given (key, body_hash, exchange_id, answer, thread_id)
order by given.key
on conflict (key) do update
    set exchange_id = excluded.exchange_id, answer = excluded.answer, thread_id = excluded.thread_id
    where k.answer is null and k.body_hash = excluded.body_hash
