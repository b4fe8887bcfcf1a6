-- Prepares a thread's list for a reader, which reads the list with the next command. An unsealed list gets the reader's
-- token, which shows that a reader is reading PostgreSQL.
--
-- A refill (`merge.lua`) needs the token. The token is lost if the list is deleted, evicted or expires, and if an
-- exchange of the list is deleted. A merge of new exchanges does not remove the token. Only this script creates a missing
-- list, with one placeholder that carries the token.
--
-- KEYS[1]  the list
-- ARGV[1]  the maximum number of messages of a read
-- ARGV[2]  the generation in which a seal is valid; a seal of a later generation is valid, too
-- ARGV[3]  the reader's token
-- ARGV[4]  the placeholder's time to live in seconds

local key = KEYS[1]
local max_length, generation, token, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

-- A server that refuses writes still answers reads. The list then gets no token, and no reader refills it.
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

local bare_head, name, value = split_ending(head)
local is_complete = name == 'first' or (name == 'whole' and redis.call('LLEN', key) >= max_length)
local sealed = is_complete and string.match(value, '^[0-9.]+$')
if name == 'asked' or (sealed and tonumber(sealed) and tonumber(sealed) >= generation) then
  return
end
local with_token = with_ending(bare_head, 'asked', token)
if with_token ~= bare_head then
  redis.pcall('LSET', key, 0, with_token)
end
