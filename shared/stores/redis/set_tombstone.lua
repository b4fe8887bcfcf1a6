-- Sets a tombstone, unless there is a newer one: the later of two deletions wins in any order.
--
-- KEYS[1]  the tombstone
-- ARGV[1]  the deletion's order key
-- ARGV[2]  its time to live in seconds
-- Returns the current order key.

local key, cutoff, seconds = KEYS[1], ARGV[1], ARGV[2]
local known = redis.call('TYPE', key).ok == 'string' and redis.call('GET', key) or ''
if #known == #cutoff and string.find(known, '^[0-9a-f-]+$') and known > cutoff then
  cutoff = known
end
redis.call('SET', key, cutoff, 'EX', seconds)
return cutoff
