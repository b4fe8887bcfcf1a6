-- Stores a user's memories, if the hash still has the token that a reader set before it read PostgreSQL. A change of the
-- memories deletes the hash with its token, so that no reader stores memories from before the change.
--
-- KEYS[1]  the hash
-- ARGV[1]  the token
-- ARGV[2]  the generation
-- ARGV[3]  the time to live in seconds
-- ARGV[4…] the fields: field, value, field, value, …
-- Returns whether the memories are stored.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
if redis.call('HGET', KEYS[1], 'seal') ~= ARGV[2] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'seal', ARGV[2])
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
