-- Sets a tombstone, unless the key has a later one. So the later of two deletions wins in any order of the calls.
--
-- KEYS[1]  the tombstone
-- ARGV[1]  the deletion's order key
-- ARGV[2]  its time to live in seconds
-- Returns the order key that the tombstone now has.

local key, cutoff, seconds = KEYS[1], ARGV[1], ARGV[2]
local known = redis.call('TYPE', key).ok == 'string' and redis.call('GET', key) or ''
if #known == #cutoff and string.find(known, '^[0-9a-f-]+$') and known > cutoff then
  cutoff = known
end
redis.call('SET', key, cutoff, 'EX', seconds)
return cutoff
