-- Prepares a thread's list for a reader, which reads it with the next command. An unsealed list carries the reader's token
-- from then on, which means that a reader reads PostgreSQL.
--
-- A refill (`merge.lua`) needs the token. The token is lost with the list (deletion, eviction, expiry) and with every
-- deletion of an exchange; exchanges merged meanwhile stay in the list with the token. Only this script creates a missing
-- list, with one placeholder that carries the token.
--
-- KEYS[1]  the list
-- ARGV[1]  maximum number of messages of a read
-- ARGV[2]  the generation in which a seal is valid
-- ARGV[3]  the reader's token
-- ARGV[4]  the placeholder's time to live in seconds

local key = KEYS[1]
local most, generation, token, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

-- A server that refuses writes still answers reads: without a token, nothing is refilled.
local head = redis.pcall('LINDEX', key, 0)
if type(head) == 'table' then
  local removed = redis.pcall('DEL', key)
  if type(removed) == 'table' then
    return
  end
  head = false
end
if not head then
  local length = redis.pcall('RPUSH', key, PLACEHOLDER .. ',"asked":"' .. token .. '"}')
  if type(length) == 'number' then
    redis.call('EXPIRE', key, seconds)
  end
  return
end

local bare, name, value = split(head)
local counts = name == 'first' or (name == 'whole' and redis.call('LLEN', key) >= most)
local sealed = counts and string.match(value, '^[0-9.]+$')
if name == 'asked' or (sealed and tonumber(sealed) and tonumber(sealed) >= generation) then
  return
end
local marked = ended(bare, 'asked', token)
if marked ~= bare then
  redis.pcall('LSET', key, 0, marked)
end
