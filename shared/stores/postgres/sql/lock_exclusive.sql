-- Waits for all transactions that write to these threads or users, and blocks later ones; see `locks.py`.
select pg_advisory_xact_lock(wanted.key)
from (
    select 0 as rank, %(all)s::bigint as key
    union
    select 1, hashtextextended(given.name, %(seed)s) from unnest(%(names)s::text[]) as given (name)
    order by rank, key
) as wanted
