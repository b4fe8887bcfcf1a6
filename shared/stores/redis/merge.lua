-- The one writer of a thread's list: union by exchange id, sort by order key, keep the newest. Commutative,
-- associative and idempotent, so that any writers in any order, however often, leave the same list. It never makes a
-- list: only `read.lua` does, for a reader that then asks PostgreSQL.
--
-- The list's first entry ends with a seal or with a token (see `read.lua`), or with neither.
--
-- KEYS[1]  the list
-- ARGV[1]  time to live in seconds; 0 keeps what the list has
-- ARGV[2]  most messages to keep
-- ARGV[3]  'TOKEN first G' or 'TOKEN whole G': a refill. If the list carries this token, then nothing is missing from
--          what it holds after the merge, and it is sealed for generation G: as all of its thread (first), or as the
--          newest of it (whole). If it does not, nothing is done. '': no refill
-- ARGV[4]  order key of a deletion; entries up to it are dropped, and token or seal with them; '' for none
-- ARGV[5]  ids of deleted exchanges between commas, whose entries are dropped, and the token with them; '' for none
-- ARGV[6]  '1': the exchanges are PostgreSQL's, which decides between two that share a revision
-- ARGV[7…] five an exchange: order key, exchange id, created_at, the user's entry, the assistant's entry
-- Returns the number of messages in the list; -1 for a refill whose token is not there.

local key = KEYS[1]
local ttl = tonumber(ARGV[1])
local most = tonumber(ARGV[2])
local token, claim, generation = string.match(ARGV[3], '^(%x+) (%a+) (%S+)$')
local cutoff = ARGV[4]
local deleted = ARGV[5]
local is_stored = ARGV[6] == '1'
local is_deletion = cutoff ~= '' or deleted ~= ''
local EXCHANGES = 7

-- The list is a cache: what stands in its place and is no list gives way to it.
local head = redis.pcall('LINDEX', key, 0)
if type(head) ~= 'string' then
  if head then
    redis.call('DEL', key)
  end
  return token and -1 or 0
end

-- Id, order key, time and revision of an entry in the project's own form; nil for one of another writer's making.
local function parse(entry)
  local id, order, created, rest =
    string.match(entry, '^{"exchange_id":"([0-9a-f-]+)","order":"([0-9a-f-]+)","created_at":"([0-9TZ:.-]+)"()')
  if id and #id == 36 and #order == 36 and #created == 27 then
    return id, order, created, tonumber(string.match(entry, '^,"revision":(%d+)', rest) or 0)
  end
end

local bare, name, value = split(head)
if token and not (name == 'asked' and value == token) then
  return -1
end
local is_empty = string.sub(bare, 1, #PLACEHOLDER) == PLACEHOLDER

local function finish(length)
  if ttl > 0 then
    redis.call('EXPIRE', key, ttl)
  end
  return length
end

-- Whether an exchange of this id is in the list: an entry of the project's own form has it at this place.
local function holds(id)
  local last = string.byte(id, -1)
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    -- The last digit first: a string that Lua makes of the whole id costs more.
    if string.byte(entry, 52) == last and string.sub(entry, 17, 52) == id and parse(entry) == id then
      return true
    end
  end
end

-- The usual case: one exchange, newer than all.
if #ARGV == EXCHANGES + 4 and not token and not is_deletion then
  local order, id = ARGV[EXCHANGES], ARGV[EXCHANGES + 1]
  local is_newest = is_empty and redis.call('LLEN', key) == 1
  if not is_newest then
    local _, tail_order = parse(redis.call('LINDEX', key, -1))
    -- Under an id that is not its order key it may be in the list already, at an earlier place.
    is_newest = tail_order and order > tail_order and not is_empty and (order == id or not holds(id))
  end
  if is_newest then
    local length = redis.call('RPUSH', key, ARGV[EXCHANGES + 3], ARGV[EXCHANGES + 4])
    local start = is_empty and 1 or math.max(0, length - most)
    if start > 0 then
      redis.call('LTRIM', key, start, -1)
      if name then
        local passed_on = (name == 'first' and not is_empty) and 'whole' or name
        redis.call('LSET', key, 0, ended(split(redis.call('LINDEX', key, 0)), passed_on, value))
      end
    end
    return finish(length - start)
  end
end

local by_id = {}
local all = {}
local others = {}
for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
  local id, order, created, revision = parse(entry)
  entry = split(entry)
  if not id then
    others[#others + 1] = entry
  elseif by_id[id] then
    local known = by_id[id].entries
    known[#known + 1] = entry
  elseif id ~= NIL then
    -- The placeholder gives way to what comes.
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

for at = EXCHANGES, #ARGV, 5 do
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

local list, foreign = {}, cutoff == '' and #others or 0
if cutoff == '' then
  -- Entries of another writer's making have no id: they stay what they are, before everything that has one.
  list = others
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
if token then
  name, value = (claim == 'first' and start > 1) and 'whole' or claim, generation
elseif name == 'asked' or cutoff ~= '' then
  -- What came after a deletion of the thread may be of its former owner or of the next: PostgreSQL is asked.
  name = not is_deletion and name or nil
elseif name == 'first' then
  -- Of a list that is all of its thread, everything that comes belongs to it.
  name = (foreign == 0 or list[1] == bare) and (start > 1 and 'whole' or 'first') or nil
elseif name and list[start] ~= bare then
  -- What was sealed may have left at the front; but what came before it may lack others.
  local id, order = parse(list[start] or '')
  local sealed_id, sealed_order = parse(bare)
  if not id or not sealed_id or order < sealed_order or (order == sealed_order and id < sealed_id) then
    name = nil
  end
end

local left = redis.call('PTTL', key)
redis.call('DEL', key)
if #list == 0 then
  if name and (token or not is_deletion) then
    redis.call('RPUSH', key, ended(PLACEHOLDER .. '}', name, value))
    if left > 0 then
      redis.call('PEXPIRE', key, left)
    end
  end
  return 0
end
list[start] = ended(list[start], name, value)
for from = start, #list, 500 do
  redis.call('RPUSH', key, unpack(list, from, math.min(from + 499, #list)))
end
if ttl == 0 and left > 0 then
  redis.call('PEXPIRE', key, left)
end
return finish(#list - start + 1)
