-- Replaces all fields of a hash. Without new fields, the hash is deleted.
--
-- KEYS[1]  the hash
-- ARGV[1]  the time to live in seconds
-- ARGV[2…] the new fields: field, value, field, value, …
-- Returns whether the hash has fields now.

redis.call('DEL', KEYS[1])
for i = 2, #ARGV, 500 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 499, #ARGV)))
end
if #ARGV > 1 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return #ARGV > 1
