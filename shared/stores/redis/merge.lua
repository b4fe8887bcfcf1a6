-- Merges exchanges into a thread's list: one entry pair per exchange id, sorted by order key, and only the newest ones.
-- Merging is commutative, associative and idempotent, so every order and repetition of writes leads to the same list.
-- This script does not create a list. Only `read.lua` does, for a reader that then reads PostgreSQL.
--
-- The list's first entry has one ending or none: a seal, or a token (see `read.lua`).
--
-- KEYS[1]  the list
-- ARGV[1]  the time to live in seconds; 0 does not change it
-- ARGV[2]  the maximum number of messages
-- ARGV[3]  for a refill 'TOKEN first G' or 'TOKEN whole G', else ''. If the list carries this token, the merge completes
--          the list and seals it for generation G: 'first' if it has all exchanges of the thread, 'whole' if it has only
--          the newest ones. If the list does not carry the token, the script changes nothing.
-- ARGV[4]  the cutoff of a thread's deletion and the last microsecond that it includes, or ''. Entries up to the cutoff
--          are removed, imports that were accepted up to that time, and the token or seal
-- ARGV[5]  the ids of deleted exchanges, separated by commas, or ''. Their entries and the token are removed
-- ARGV[6]  '1' if PostgreSQL has these exchanges: they then win over others with the same revision and time of
--          acceptance
-- ARGV[7…] five values per exchange: order key, exchange id, created_at, the user's entry, the assistant's entry
-- Returns the number of messages in the list; -1 for a refill whose token the list does not carry.

local key = KEYS[1]
local ttl = tonumber(ARGV[1])
local max_length = tonumber(ARGV[2])
local token, seal, generation = string.match(ARGV[3], '^(%x+) (%a+) (%S+)$')
local cutoff, cutoff_time = ARGV[4], ''
local deleted = ARGV[5]
local is_stored = ARGV[6] == '1'
local is_deletion = cutoff ~= '' or deleted ~= ''
local EXCHANGES = 7
if cutoff ~= '' then
  cutoff, cutoff_time = string.match(cutoff, '^(%S+) (%S+)$')
end

-- A key of another type is deleted, because Redis is only a cache.
local head = redis.pcall('LINDEX', key, 0)
if type(head) ~= 'string' then
  if head then
    redis.call('DEL', key)
  end
  return token and -1 or 0
end

-- Returns an entry's exchange id, order key, time and revision; nil for a foreign entry.
local function parse(entry)
  local id, order, created, rest =
    string.match(entry, '^{"exchange_id":"([0-9a-f-]+)","order":"([0-9a-f-]+)","created_at":"([0-9TZ:.-]+)"()')
  if id and #id == 36 and #order == 36 and #created == 27 then
    return id, order, created, tonumber(string.match(entry, '^,"revision":(%d+)', rest) or 0)
  end
end

local bare_head, name, value = split_ending(head)
if token and not (name == 'asked' and value == token) then
  return -1
end
local is_empty = string.sub(bare_head, 1, #PLACEHOLDER) == PLACEHOLDER

local function finish(length)
  if ttl > 0 then
    redis.call('EXPIRE', key, ttl)
  end
  return length
end

-- Returns whether the list has an exchange with this id. Entries in the project's format have the id at bytes 17 to 52.
local function has_exchange(id)
  local last = string.byte(id, -1)
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    -- Compare the last digit first, because it takes longer to create a Lua string of the id.
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
    -- If the exchange's id is not its order key, the list may already have the exchange at an earlier position.
    is_newest = tail_order and order > tail_order and not is_empty and (order == id or not has_exchange(id))
  end
  if is_newest then
    local length = redis.call('RPUSH', key, ARGV[EXCHANGES + 3], ARGV[EXCHANGES + 4])
    local start = is_empty and 1 or math.max(0, length - max_length)
    if start > 0 then
      redis.call('LTRIM', key, start, -1)
      if name then
        local new_name = (name == 'first' and not is_empty) and 'whole' or name
        redis.call('LSET', key, 0, with_ending(split_ending(redis.call('LINDEX', key, 0)), new_name, value))
      end
    end
    return finish(length - start)
  end
end

-- Returns when an import was accepted, as its entry says; nil for any other entry.
local function parse_acceptance(entry)
  local rest = string.match(entry, '^{"exchange_id":"[0-9a-f-]+","order":"[0-9a-f-]+","created_at":"[0-9TZ:.-]+"()')
  rest = rest and string.match(entry, '^,"revision":%d+()', rest) or rest
  local accepted = rest and string.match(entry, '^,"accepted_at":"([0-9TZ:.-]+)"', rest)
  return accepted and #accepted == 27 and accepted or nil
end

-- Returns whether the deletion includes an exchange.
local function is_reached(order, entry)
  if cutoff == '' then
    return false
  end
  local accepted = parse_acceptance(entry)
  if accepted then
    return accepted <= cutoff_time
  end
  return order <= cutoff
end

-- Returns whether a new exchange replaces the known one with its id. The highest revision wins, then the one that was
-- accepted first, as in `store.sql`, so that both layers store the same exchange.
local function replaces(created, revision, entry, known)
  if not known.created or revision ~= known.revision then
    return not known.created or revision > known.revision
  end
  local accepted = parse_acceptance(entry) or created
  local known_accepted = parse_acceptance(known.entries[1]) or known.created
  return accepted < known_accepted or (is_stored and accepted == known_accepted)
end

-- Returns the list's entries and the new ones in thread order, and the number of foreign entries.
local function merged_entries()
  local by_id = {}
  local all = {}
  local others = {}
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    local id, order, created, revision = parse(entry)
    entry = split_ending(entry)
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

  for i = EXCHANGES, #ARGV, 5 do
    local order, id, created = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local _, _, _, revision = parse(ARGV[i + 3])
    local known = by_id[id]
    if not known then
      known = {id = id}
      by_id[id] = known
      all[#all + 1] = known
    end
    if replaces(created, revision, ARGV[i + 3], known) then
      known.order, known.created, known.revision = order, created, revision
      known.entries = {ARGV[i + 3], ARGV[i + 4]}
    end
  end

  table.sort(all, function(a, b)
    if a.order == b.order then
      return a.id < b.id
    end
    return a.order < b.order
  end)

  -- Foreign entries have no id. They stay unchanged, before all others.
  local list = cutoff == '' and others or {}
  local foreign_count = #list
  local deleted_ids = {}
  for id in string.gmatch(deleted, '[^,]+') do
    deleted_ids[id] = true
  end
  for _, exchange in ipairs(all) do
    if not is_reached(exchange.order, exchange.entries[1]) and not deleted_ids[exchange.id] then
      for _, entry in ipairs(exchange.entries) do
        list[#list + 1] = entry
      end
    end
  end
  return list, foreign_count
end

-- Returns the entries of a list that has no exchange yet; nil if the new exchanges are not in thread order or one of
-- them is deleted.
local function new_entries()
  local list, known, newest = {}, {}, ''
  for i = EXCHANGES, #ARGV, 5 do
    local order, id = ARGV[i], ARGV[i + 1]
    if order <= newest or is_reached(order, ARGV[i + 3]) or known[id] then
      return nil
    end
    newest, known[id] = order, true
    list[#list + 1] = ARGV[i + 3]
    list[#list + 1] = ARGV[i + 4]
  end
  return list
end

local list, foreign_count = is_empty and deleted == '' and redis.call('LLEN', key) == 1 and new_entries(), 0
if not list then
  list, foreign_count = merged_entries()
end

-- The list's length and its maximum are even without foreign entries, so both entries of an exchange are removed.
local start = math.max(1, #list - max_length + 1)
if token then
  name, value = (seal == 'first' and start > 1) and 'whole' or seal, generation
elseif name == 'asked' or cutoff ~= '' then
  -- Exchanges after the thread's deletion may belong to its previous or its next owner, so readers need PostgreSQL.
  name = not is_deletion and name or nil
elseif name == 'first' then
  -- If the list had all exchanges of the thread, the merged list has all of them, too.
  name = (foreign_count == 0 or list[1] == bare_head) and (start > 1 and 'whole' or 'first') or nil
elseif name and list[start] ~= bare_head then
  -- The seal stays valid if the list now begins at the sealed entry or after it. Exchanges before it may be missing.
  local id, order = parse(list[start] or '')
  local sealed_id, sealed_order = parse(bare_head)
  if not id or not sealed_id or order < sealed_order or (order == sealed_order and id < sealed_id) then
    name = nil
  end
end

local remaining_ttl = redis.call('PTTL', key)
redis.call('DEL', key)
if #list == 0 then
  if name and (token or not is_deletion) then
    redis.call('RPUSH', key, with_ending(PLACEHOLDER .. '}', name, value))
    if remaining_ttl > 0 then
      redis.call('PEXPIRE', key, remaining_ttl)
    end
  end
  return 0
end
list[start] = with_ending(list[start], name, value)
for from = start, #list, 500 do
  redis.call('RPUSH', key, unpack(list, from, math.min(from + 499, #list)))
end
if ttl == 0 and remaining_ttl > 0 then
  redis.call('PEXPIRE', key, remaining_ttl)
end
return finish(#list - start + 1)
