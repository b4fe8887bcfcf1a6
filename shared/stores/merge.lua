-- The one writer of a thread's list: union by exchange id, sort by order key, keep the newest. Commutative,
-- associative and idempotent, so that any writers in any order, however often, leave the same list.
--
-- KEYS[1]  the list
-- ARGV[1]  time to live in seconds; 0 keeps what the list has
-- ARGV[2]  most messages to keep
-- ARGV[3]  '1': only into a list that exists
-- ARGV[4]  'whole': nothing is missing from what the list then holds, so its first entry is marked: as the thread's
--          first, or in a list that is full, as the one from which on nothing is missing; an exchange id: the same, if
--          the first entry is of that exchange; either followed by ':older': the thread has older ones, so it is
--          not marked as the first; 'unknown': the marks are taken away; '': none of these, but a mark that is there
--          passes on to what follows when its entry leaves the list
-- ARGV[5]  order key of a deletion; entries up to it are dropped; '' for none
-- ARGV[6]  exchanges that were deleted, whose entries are dropped: their ids between commas; '' for none
-- ARGV[7]  '1': the exchanges are PostgreSQL's, which decides between two that share a revision
-- ARGV[8…] five an exchange: order key, exchange id, created_at, the user's entry, the assistant's entry
-- Returns the number of messages in the list.

local key = KEYS[1]
local ttl = tonumber(ARGV[1])
local most = tonumber(ARGV[2])
local mark, has_older = string.gsub(ARGV[4], ':older$', '')
local cutoff = ARGV[5]
local deleted = ARGV[6]
local is_stored = ARGV[7] == '1'
local FIRST = ',"first":true}'
local WHOLE = ',"whole":true}'

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

local function is_marked(entry)
  local ending = string.sub(entry, -#FIRST)
  return ending == FIRST or ending == WHOLE
end

local function unmarked(entry)
  return is_marked(entry) and string.sub(entry, 1, -#FIRST - 1) .. '}' or entry
end

-- An entry of another writer's making is marked only if it stays JSON by that.
local function can_be_marked(entry)
  return string.find(entry, '^{.*[^%s{,]}$') ~= nil
end

local function finish()
  local head = mark ~= '' and redis.call('LINDEX', key, 0)
  if head and parse(head) == mark then
    mark = 'whole'
  end
  if head and mark == 'whole' and can_be_marked(head) then
    local ending = has_older == 0 and redis.call('LLEN', key) < most and FIRST or WHOLE
    redis.call('LSET', key, 0, string.sub(unmarked(head), 1, -2) .. ending)
  elseif head and mark == 'unknown' then
    redis.call('LSET', key, 0, unmarked(head))
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
    local is_passed_on = length + 2 > most and is_marked(redis.call('LINDEX', key, 0) or '')
    redis.call('RPUSH', key, ARGV[11], ARGV[12])
    redis.call('LTRIM', key, -most, -1)
    if is_passed_on then
      local head = unmarked(redis.call('LINDEX', key, 0))
      if can_be_marked(head) then
        redis.call('LSET', key, 0, string.sub(head, 1, -2) .. WHOLE)
      end
    end
    return finish()
  end
end

local by_id = {}
local all = {}
local strangers = {}
-- The first exchange that is marked: from there on nothing is missing, as long as it keeps its place.
local marked
for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
  local id, order, created, revision = parse(entry)
  if id and is_marked(entry) then
    marked = marked or {id = id, order = order, ending = string.sub(entry, -#FIRST)}
    entry = unmarked(entry)
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
if marked and gone[marked.id] then
  -- What follows the deleted entry takes its mark.
  local at = start
  while list[at] do
    local id, order = parse(list[at])
    if id and (order > marked.order or (order == marked.order and id > marked.id)) then
      break
    end
    at = at + 1
  end
  if list[at] and can_be_marked(list[at]) then
    list[at] = string.sub(list[at], 1, -2) .. (at == 1 and marked.ending or WHOLE)
  end
elseif marked and by_id[marked.id].order == marked.order and #list > 0 then
  local at, ending = start, nil
  local id, order = parse(list[start])
  if id == marked.id then
    ending = marked.ending
  elseif id and (order > marked.order or (order == marked.order and id > marked.id)) then
    ending = #list < most and FIRST or WHOLE
  else
    while parse(list[at]) ~= marked.id do
      at = at + 1
    end
    ending = WHOLE
  end
  if can_be_marked(list[at]) then
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
