-- Writes a tombstone, unless the key has a later one. So the key has the later of two cutoffs in any order of the
-- calls.
--
-- KEYS[1]  the tombstone
-- ARGV[1]  the deletion's cutoff
-- ARGV[2]  the tombstone's time to live in seconds
-- Returns the cutoff that the tombstone has now.

local key, cutoff, seconds = KEYS[1], ARGV[1], ARGV[2]
local stored = redis.call('TYPE', key).ok == 'string' and redis.call('GET', key) or ''
if #stored == #cutoff and string.find(stored, '^[0-9a-f-]+$') and stored > cutoff then
  cutoff = stored
end
redis.call('SET', key, cutoff, 'EX', seconds)
return cutoff
