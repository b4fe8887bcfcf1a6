-- The one writer of a thread's list: union by exchange id, sort by order key, keep the newest. Commutative,
-- associative and idempotent, so that any writers in any order, however often, leave the same list.
--
-- KEYS[1]  the list
-- ARGV[1]  time to live in seconds; 0 keeps what the list has
-- ARGV[2]  most messages to keep
-- ARGV[3]  '1': only into a list that exists
-- ARGV[4]  'whole': nothing older than what the list then holds exists, so its first entry is marked as the thread's
--          first; 'unknown': the mark is taken away; '': neither
-- ARGV[5]  order key of a deletion; entries up to it are dropped; '' for none
-- ARGV[6…] five an exchange: order key, exchange id, created_at, the user's entry, the assistant's entry
-- Returns the number of messages in the list.

local key = KEYS[1]
local ttl = tonumber(ARGV[1])
local most = tonumber(ARGV[2])
local mark = ARGV[4]
local cutoff = ARGV[5]
local FIRST = ',"first":true}'

local length = redis.call('LLEN', key)
if length == 0 and ARGV[3] == '1' then
  return 0
end

local function parse(entry)
  return string.match(entry, '^{"exchange_id":"([%x-]+)","order":"([%x-]+)","created_at":"([^"]+)"')
end

local function is_marked(entry)
  return string.sub(entry, -#FIRST) == FIRST
end

-- An entry of another writer's making is marked only if it stays JSON by that.
local function can_be_marked(entry)
  return string.find(entry, '^{.*[^%s{,]}$') ~= nil
end

local function finish()
  local head = mark ~= '' and redis.call('LINDEX', key, 0)
  if head and mark == 'whole' and can_be_marked(head) and not is_marked(head) and redis.call('LLEN', key) < most then
    redis.call('LSET', key, 0, string.sub(head, 1, -2) .. FIRST)
  elseif head and mark == 'unknown' and is_marked(head) then
    redis.call('LSET', key, 0, string.sub(head, 1, -#FIRST - 1) .. '}')
  end
  if ttl > 0 then
    redis.call('EXPIRE', key, ttl)
  end
  return redis.call('LLEN', key)
end

if #ARGV == 5 and cutoff == '' then
  return finish()
end

-- The usual case: one exchange, newer than all. Its order key is its id, so it cannot be in the list already.
if #ARGV == 10 and ARGV[6] == ARGV[7] and cutoff == '' then
  local tail_order = ''
  if length > 0 then
    local _, order = parse(redis.call('LINDEX', key, -1))
    tail_order = order
  end
  if tail_order and ARGV[6] > tail_order then
    redis.call('RPUSH', key, ARGV[9], ARGV[10])
    redis.call('LTRIM', key, -most, -1)
    return finish()
  end
end

local by_id = {}
local all = {}
local strangers = {}
for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
  local id, order, created = parse(entry)
  if not id then
    strangers[#strangers + 1] = entry
  elseif by_id[id] then
    local known = by_id[id].entries
    known[#known + 1] = entry
  else
    by_id[id] = {id = id, order = order, created = created, entries = {entry}}
    all[#all + 1] = by_id[id]
  end
end

for at = 6, #ARGV, 5 do
  local order, id, created = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local known = by_id[id]
  if not known then
    known = {id = id}
    by_id[id] = known
    all[#all + 1] = known
  end
  -- The earliest wins, here as in PostgreSQL, so that both layers keep the same one of two.
  if not known.created or created < known.created then
    known.order, known.created, known.entries = order, created, {ARGV[at + 3], ARGV[at + 4]}
  end
end

table.sort(all, function(a, b)
  if a.order == b.order then
    return a.id < b.id
  end
  return a.order < b.order
end)

local list = {}
if cutoff == '' then
  -- Entries of another writer's making have no id: they stay what they are, before everything that has one.
  list = strangers
end
for _, exchange in ipairs(all) do
  if exchange.order > cutoff then
    for _, entry in ipairs(exchange.entries) do
      list[#list + 1] = entry
    end
  end
end

local left = redis.call('PTTL', key)
redis.call('DEL', key)
-- Whole exchanges only: what must go is rounded up to the next user's entry by the pairs being pairs.
for from = math.max(1, #list - most + 1), #list, 500 do
  redis.call('RPUSH', key, unpack(list, from, math.min(from + 499, #list)))
end
if ttl == 0 and left > 0 and #list > 0 then
  redis.call('PEXPIRE', key, left)
end
return finish()
