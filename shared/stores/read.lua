-- Reads a thread's list; if it is not sealed, lets it carry the reader's token, which says: somebody asks PostgreSQL.
--
-- A refill (`merge.lua`) happens only while the token is there. It goes with the list (deletion, eviction, end of life),
-- and with every deletion; whatever is merged meanwhile stays in the list beside it. A list that does not exist is made,
-- with one placeholder that carries the token, and only here.
--
-- KEYS[1]  the list
-- ARGV[1]  most messages to return
-- ARGV[2]  the generation in which a seal counts
-- ARGV[3]  the reader's token
-- ARGV[4]  for how many seconds a placeholder lives
-- Returns the entries, oldest first.

local key = KEYS[1]
local most, generation, token, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local ENDING = 80
local NIL = '00000000-0000-0000-0000-000000000000'
local PLACEHOLDER = '{"exchange_id":"' .. NIL .. '","order":"' .. NIL .. '","created_at":"1970-01-01T00:00:00.000000Z",'
  .. '"role":"system","content":"","metadata":null'

local function read()
  return redis.call('LRANGE', key, -most, -1)
end

-- A server that refuses writes still answers: then nothing carries the token, and nothing is refilled.
local kind = redis.call('TYPE', key).ok
if kind ~= 'list' and kind ~= 'none' then
  local reply = redis.pcall('DEL', key)
  if type(reply) == 'table' and reply.err then
    return {}
  end
end

local head = redis.call('LINDEX', key, 0)
if not head then
  local made = redis.pcall('RPUSH', key, PLACEHOLDER .. ',"asked":"' .. token .. '"}')
  if type(made) == 'number' then
    redis.call('EXPIRE', key, seconds)
  end
  return read()
end

local tail = string.sub(head, -ENDING)
local name, sealed = string.match(tail, ',"(%a+)":"([0-9.]+)"}$')
local is_sealed = name == 'first' or (name == 'whole' and redis.call('LLEN', key) >= most)
if is_sealed and tonumber(sealed) and tonumber(sealed) >= generation then
  return read()
end
if string.find(tail, ',"asked":"%x+"}$') or not string.find(head, '^{.*[^%s{,]}$') then
  return read()
end
local at = string.find(tail, ',"first":[%w."]+}$') or string.find(tail, ',"whole":[%w."]+}$')
local bare = at and string.sub(head, 1, #head - #tail + at - 1) .. '}' or head
redis.pcall('LSET', key, 0, string.sub(bare, 1, -2) .. ',"asked":"' .. token .. '"}')
return read()
