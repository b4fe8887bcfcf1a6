-- Locks threads and users against their deletion, for a transaction that writes to them; see `locks.py`.
select pg_advisory_xact_lock_shared(wanted.key)
from (
    select 0 as rank, %(all)s::bigint as key
    where %(has_many)s or exists (select from lock_transition where ends_at > now())
    union
    select 1, hashtextextended(given.name, %(seed)s) from unnest(%(names)s::text[]) as given (name)
    order by rank, key
) as wanted
