-- Prepares a thread's list for a reader, which reads the list with the next command. If the list has no valid seal and
-- no token, it gets the reader's token. The reader then asks PostgreSQL for the thread's exchanges.
--
-- A refill (`merge.lua`) needs the token. The list loses its token if it is deleted or evicted, if it expires, or if
-- one of its exchanges is deleted. A merge of new exchanges does not remove the token. If there is no list, this script
-- creates one, whose only entry is a placeholder with the token. No other script creates a list.
--
-- KEYS[1]  the list
-- ARGV[1]  the maximum number of messages of a read
-- ARGV[2]  the reader's generation; the seals of this and of later generations are valid
-- ARGV[3]  the reader's token
-- ARGV[4]  the placeholder's time to live in seconds

local key = KEYS[1]
local max_length, generation, token, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

-- A server may refuse writes and still answer reads. `pcall` returns a refusal as a table. Without a token, no reader
-- refills the list.
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

local bare_head, field, value = split_seal_or_token(head)
-- A list with the seal `whole` is complete only if it has as many messages as a read returns.
local is_complete = field == 'first' or (field == 'whole' and redis.call('LLEN', key) >= max_length)
local sealed_in = is_complete and string.match(value, '^[0-9.]+$')
if field == 'asked' or (sealed_in and tonumber(sealed_in) and tonumber(sealed_in) >= generation) then
  return
end
local with_token = with_seal_or_token(bare_head, 'asked', token)
if with_token ~= bare_head then
  redis.pcall('LSET', key, 0, with_token)
end
