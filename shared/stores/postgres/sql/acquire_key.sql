-- Acquires a new idempotency key or one whose lease has ended, and returns the key's row. The exchange id stays. A lease
-- from the future, which started while this server's clock was ahead, counts as ended.
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
