-- Prepares a thread's list for a reader, who reads it with the next command: one that is not sealed carries the reader's
-- token from then on, which says that a reader asks PostgreSQL.
--
-- A refill (`merge.lua`) happens only while the token is there. It goes with the list (deletion, eviction, end of life),
-- and with every deletion; whatever is merged meanwhile stays in the list beside it. A list that does not exist is made,
-- with one placeholder that carries the token, and only here.
--
-- KEYS[1]  the list
-- ARGV[1]  most messages that a reader is shown
-- ARGV[2]  the generation in which a seal counts
-- ARGV[3]  the reader's token
-- ARGV[4]  for how many seconds a placeholder lives

local key = KEYS[1]
local most, generation, token, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

-- A server that refuses writes still answers: then nothing carries the token, and nothing is refilled.
local head = redis.pcall('LINDEX', key, 0)
if type(head) == 'table' then
  local removed = redis.pcall('DEL', key)
  if type(removed) == 'table' then
    return
  end
  head = false
end
if not head then
  local made = redis.pcall('RPUSH', key, PLACEHOLDER .. ',"asked":"' .. token .. '"}')
  if type(made) == 'number' then
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
local asked = ended(bare, 'asked', token)
if asked ~= bare then
  redis.pcall('LSET', key, 0, asked)
end
