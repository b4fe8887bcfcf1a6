-- The one writer of a thread's list: union by exchange id, sort by order key, keep the newest. Commutative,
-- associative and idempotent, so that any writers in any order, however often, leave the same list.
--
-- KEYS[1]  the list
-- ARGV[1]  time to live in seconds; 0 keeps what the list has
-- ARGV[2]  most messages to keep
-- ARGV[3]  '1': only into a list that exists
-- ARGV[4]  'whole G': nothing is missing from what the list then holds, so its first entry is sealed for generation G:
--          as the thread's first, or in a list that is full, as the one from which on nothing is missing; 'ID G': the
--          same, if the first entry is of the exchange ID; 'whole:older G' and 'ID:older G': the thread has older
--          exchanges, so the entry is not sealed as the first; 'unknown': the seal is taken away; '': none of these,
--          but a seal that is there passes on to what follows when its entry leaves the list
-- ARGV[5]  order key of a deletion; entries up to it are dropped; '' for none
-- ARGV[6]  exchanges that were deleted, whose entries are dropped: their ids between commas; '' for none
-- ARGV[7]  '1': the exchanges are PostgreSQL's, which decides between two that share a revision
-- ARGV[8…] five an exchange: order key, exchange id, created_at, the user's entry, the assistant's entry
-- Returns the number of messages in the list.

local key = KEYS[1]
local ttl = tonumber(ARGV[1])
local most = tonumber(ARGV[2])
local target, has_older, generation = string.match(ARGV[4], '^([%w-]+)(:?%a*) (%S+)$')
local is_unsealed = ARGV[4] == 'unknown'
local cutoff = ARGV[5]
local deleted = ARGV[6]
local is_stored = ARGV[7] == '1'
-- A seal stands in the last bytes of an entry. Earlier releases wrote `true` for its generation, which seals nothing.
local SEAL = 64

-- The list is a cache: what stands in its place and is no list gives way to it.
local kind = redis.call('TYPE', key).ok
if kind ~= 'list' and kind ~= 'none' then
  redis.call('DEL', key)
end

local length = redis.call('LLEN', key)
if length == 0 and ARGV[3] == '1' then
  return 0
end

-- Id, order key, time and revision of an entry in the project's own form; nil for one of another writer's making.
local function parse(entry)
  local id, order, created, rest =
    string.match(entry, '^{"exchange_id":"([0-9a-f-]+)","order":"([0-9a-f-]+)","created_at":"([0-9TZ:.-]+)"()')
  if id and #id == 36 and #order == 36 and #created == 27 then
    return id, order, created, tonumber(string.match(entry, '^,"revision":(%d+)', rest) or 0)
  end
end

local function seal_of(entry)
  local tail = string.sub(entry, -SEAL)
  return string.match(tail, ',"first":"([0-9.]+)"}$') or string.match(tail, ',"whole":"([0-9.]+)"}$')
end

local function unsealed(entry)
  local tail = string.sub(entry, -SEAL)
  local at = string.find(tail, ',"first":[%w."]+}$') or string.find(tail, ',"whole":[%w."]+}$')
  return at and string.sub(entry, 1, #entry - #tail + at - 1) .. '}' or entry
end

local function first(in_generation)
  return ',"first":"' .. in_generation .. '"}'
end

local function whole(in_generation)
  return ',"whole":"' .. in_generation .. '"}'
end

-- An entry of another writer's making is sealed only if it stays JSON by that.
local function can_be_sealed(entry)
  return string.find(entry, '^{.*[^%s{,]}$') ~= nil
end

local function finish()
  local head = (target or is_unsealed) and redis.call('LINDEX', key, 0)
  if head and (target == 'whole' or (target and parse(head) == target)) and can_be_sealed(head) then
    local seal = has_older == '' and redis.call('LLEN', key) < most and first or whole
    redis.call('LSET', key, 0, string.sub(unsealed(head), 1, -2) .. seal(generation))
  elseif head and is_unsealed then
    redis.call('LSET', key, 0, unsealed(head))
  end
  if ttl > 0 then
    redis.call('EXPIRE', key, ttl)
  end
  return redis.call('LLEN', key)
end

if #ARGV == 7 and cutoff == '' and deleted == '' then
  return finish()
end

-- The usual case: one exchange, newer than all. Its order key is its id, so it cannot be in the list already.
if #ARGV == 12 and ARGV[8] == ARGV[9] and cutoff == '' and deleted == '' then
  local tail_order = ''
  if length > 0 then
    local _, order = parse(redis.call('LINDEX', key, -1))
    tail_order = order
  end
  if tail_order and ARGV[8] > tail_order then
    local passed_on = length + 2 > most and seal_of(redis.call('LINDEX', key, 0) or '')
    redis.call('RPUSH', key, ARGV[11], ARGV[12])
    redis.call('LTRIM', key, -most, -1)
    if passed_on then
      local head = unsealed(redis.call('LINDEX', key, 0))
      if can_be_sealed(head) then
        redis.call('LSET', key, 0, string.sub(head, 1, -2) .. whole(passed_on))
      end
    end
    return finish()
  end
end

local by_id = {}
local all = {}
local strangers = {}
-- The first exchange that is sealed: from there on nothing is missing, as long as it keeps its place.
local sealed
for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
  local id, order, created, revision = parse(entry)
  if id then
    local bare = unsealed(entry)
    local of = bare ~= entry and seal_of(entry)
    if of and not sealed then
      sealed = {id = id, order = order, generation = of, ending = string.sub(entry, #bare)}
    end
    entry = bare
  end
  if not id then
    strangers[#strangers + 1] = entry
  elseif by_id[id] then
    local known = by_id[id].entries
    known[#known + 1] = entry
  else
    by_id[id] = {id = id, order = order, created = created, revision = revision, entries = {entry}}
    all[#all + 1] = by_id[id]
  end
end

-- The highest revision wins, then the earliest, here as in PostgreSQL, so that both layers keep the same one of two.
local function wins(created, revision, known)
  if not known.created or revision ~= known.revision then
    return not known.created or revision > known.revision
  end
  return created < known.created or (is_stored and created == known.created)
end

for at = 8, #ARGV, 5 do
  local order, id, created = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local _, _, _, revision = parse(ARGV[at + 3])
  local known = by_id[id]
  if not known then
    known = {id = id}
    by_id[id] = known
    all[#all + 1] = known
  end
  if wins(created, revision, known) then
    known.order, known.created, known.revision = order, created, revision
    known.entries = {ARGV[at + 3], ARGV[at + 4]}
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
local gone = {}
for id in string.gmatch(deleted, '[^,]+') do
  gone[id] = true
end
for _, exchange in ipairs(all) do
  if exchange.order > cutoff and not gone[exchange.id] then
    for _, entry in ipairs(exchange.entries) do
      list[#list + 1] = entry
    end
  end
end

-- Whole exchanges only: what must go is rounded up to the next user's entry by the pairs being pairs.
local start = math.max(1, #list - most + 1)
if sealed and gone[sealed.id] then
  -- What follows the deleted entry takes its seal.
  local at = start
  while list[at] do
    local id, order = parse(list[at])
    if id and (order > sealed.order or (order == sealed.order and id > sealed.id)) then
      break
    end
    at = at + 1
  end
  if list[at] and can_be_sealed(list[at]) then
    list[at] = string.sub(list[at], 1, -2) .. (at == 1 and sealed.ending or whole(sealed.generation))
  end
elseif sealed and by_id[sealed.id].order == sealed.order and #list > 0 then
  local at, ending = start, nil
  local id, order = parse(list[start])
  if id == sealed.id then
    ending = sealed.ending
  elseif id and (order > sealed.order or (order == sealed.order and id > sealed.id)) then
    ending = (#list < most and first or whole)(sealed.generation)
  else
    while parse(list[at]) ~= sealed.id do
      at = at + 1
    end
    ending = whole(sealed.generation)
  end
  if can_be_sealed(list[at]) then
    list[at] = string.sub(list[at], 1, -2) .. ending
  end
end

local left = redis.call('PTTL', key)
redis.call('DEL', key)
for from = start, #list, 500 do
  redis.call('RPUSH', key, unpack(list, from, math.min(from + 499, #list)))
end
if ttl == 0 and left > 0 and #list > 0 then
  redis.call('PEXPIRE', key, left)
end
return finish()
