-- Acquires an idempotency key that is new or whose lease has ended, and returns the key's row. A key that existed keeps
-- its exchange id. A lease that starts in the future counts as ended, because it began while this server's clock was
-- ahead.
insert into idempotency_keys as k (key, body_hash, exchange_id, claimed_at)
values (%(key)s, %(body_hash)s, %(exchange_id)s, now())
on conflict (key) do update
    set claimed_at = case
        when k.answer is null
            and k.claimed_at not between now() - make_interval(secs => %(lease)s) and now() + make_interval(secs => %(lease)s)
            then now()
        else k.claimed_at
    end
returning
    body_hash, exchange_id, answer, claimed_at,
    (xmax = 0 or (answer is null and claimed_at = now())) as is_acquired
