-- The only writer of a thread's list: unites exchanges by id, sorts them by order key, keeps the newest. Merging is
-- commutative, associative and idempotent, so all orders and repetitions of writes lead to the same list. It never
-- creates a list: only `read.lua` does, for a reader that then reads PostgreSQL.
--
-- The list's first entry ends with a seal, with a token (see `read.lua`), or with neither.
--
-- KEYS[1]  the list
-- ARGV[1]  time to live in seconds; 0 keeps the current one
-- ARGV[2]  maximum number of messages
-- ARGV[3]  'TOKEN first G' or 'TOKEN whole G': a refill. If the list carries this token, it is complete after the
--          merge and is sealed for generation G: as the whole thread (first), or as its newest part (whole).
--          Otherwise nothing is done. '': no refill
-- ARGV[4]  order key of a deletion; entries up to it are dropped, with the token or seal; '' for none
-- ARGV[5]  ids of deleted exchanges between commas; their entries and the token are dropped; '' for none
-- ARGV[6]  '1': these are PostgreSQL's exchanges, which win over others with the same revision
-- ARGV[7…] five an exchange: order key, exchange id, created_at, the user's entry, the assistant's entry
-- Returns the number of messages in the list; -1 for a refill whose token the list does not carry.

local key = KEYS[1]
local ttl = tonumber(ARGV[1])
local most = tonumber(ARGV[2])
local token, seal, generation = string.match(ARGV[3], '^(%x+) (%a+) (%S+)$')
local cutoff = ARGV[4]
local deleted = ARGV[5]
local is_stored = ARGV[6] == '1'
local is_deletion = cutoff ~= '' or deleted ~= ''
local EXCHANGES = 7

-- The list is a cache: a key of another type is replaced.
local head = redis.pcall('LINDEX', key, 0)
if type(head) ~= 'string' then
  if head then
    redis.call('DEL', key)
  end
  return token and -1 or 0
end

-- Id, order key, time and revision of an entry in the project's format; nil for a foreign entry.
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

-- Whether an exchange with this id is in the list: entries in the project's format have it at this position.
local function holds(id)
  local last = string.byte(id, -1)
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    -- Compare the last digit first, because creating a Lua string of the whole id costs more.
    if string.byte(entry, 52) == last and string.sub(entry, 17, 52) == id and parse(entry) == id then
      return true
    end
  end
end

-- The usual case: one exchange that is newer than all others.
if #ARGV == EXCHANGES + 4 and not token and not is_deletion then
  local order, id = ARGV[EXCHANGES], ARGV[EXCHANGES + 1]
  local is_newest = is_empty and redis.call('LLEN', key) == 1
  if not is_newest then
    local _, tail_order = parse(redis.call('LINDEX', key, -1))
    -- If its id is not its order key, it may already be in the list at an earlier position.
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

-- The highest revision wins, then the earliest, as in PostgreSQL, so that both layers keep the same one.
local function wins(created, revision, known)
  if not known.created or revision ~= known.revision then
    return not known.created or revision > known.revision
  end
  return created < known.created or (is_stored and created == known.created)
end

-- The list's entries and the new ones in thread order, and the number of foreign entries.
local function united()
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
      -- The first exchange replaces the placeholder.
      by_id[id] = {id = id, order = order, created = created, revision = revision, entries = {entry}}
      all[#all + 1] = by_id[id]
    end
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

  -- Foreign entries have no id: they stay unchanged, before all others.
  local list = cutoff == '' and others or {}
  local foreign = #list
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
  return list, foreign
end

-- The same for a list without an exchange, if the new ones are in thread order and none of them is deleted.
local function all_new()
  local list, known, newest = {}, {}, ''
  for at = EXCHANGES, #ARGV, 5 do
    local order, id = ARGV[at], ARGV[at + 1]
    if order <= newest or order <= cutoff or known[id] then
      return nil
    end
    newest, known[id] = order, true
    list[#list + 1] = ARGV[at + 3]
    list[#list + 1] = ARGV[at + 4]
  end
  return list
end

local list, foreign = is_empty and deleted == '' and redis.call('LLEN', key) == 1 and all_new(), 0
if not list then
  list, foreign = united()
end

-- Only whole exchanges are removed, so the number is rounded up to a pair of entries.
local start = math.max(1, #list - most + 1)
if token then
  name, value = (seal == 'first' and start > 1) and 'whole' or seal, generation
elseif name == 'asked' or cutoff ~= '' then
  -- Exchanges after the thread's deletion may belong to its former or its next owner, so PostgreSQL must be read.
  name = not is_deletion and name or nil
elseif name == 'first' then
  -- If the list is the whole thread, it stays the whole thread after a merge.
  name = (foreign == 0 or list[1] == bare) and (start > 1 and 'whole' or 'first') or nil
elseif name and list[start] ~= bare then
  -- The sealed entry may have left the window; but entries before it may be incomplete.
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
