-- Sets a tombstone, unless a newer one stands there: of two deletions the later one holds, in whatever order they come.
--
-- KEYS[1]  the tombstone
-- ARGV[1]  the deletion's order key
-- ARGV[2]  for how many seconds it stays
-- Returns the order key that stands there now.

local key, cutoff, seconds = KEYS[1], ARGV[1], ARGV[2]
local known = redis.call('TYPE', key).ok == 'string' and redis.call('GET', key) or ''
if #known == #cutoff and string.find(known, '^[0-9a-f-]+$') and known > cutoff then
  cutoff = known
end
redis.call('SET', key, cutoff, 'EX', seconds)
return cutoff
