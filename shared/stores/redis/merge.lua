-- Merges exchanges into a thread's list. The list then has two entries per exchange id, sorted by order key, and only
-- the newest exchanges. Writers may call this script in any order and repeatedly: the resulting list is the same. This
-- script never creates a list. Only `read.lua` does.
--
-- The list's first entry may have a seal or a token: see `entries.lua` for the fields `first`, `whole` and `asked`.
--
-- KEYS[1]  the list
-- ARGV[1]  the time to live in seconds; 0 does not change it
-- ARGV[2]  the maximum number of messages
-- ARGV[3]  '' if the call is not a refill. For a refill 'TOKEN first G' or 'TOKEN whole G'. If the list has this token,
--          the exchanges are merged, and the list gets the seal `first` or `whole` of generation G in place of the
--          token. If the list does not have the token, the script changes nothing
-- ARGV[4]  '' if the thread was not deleted. Otherwise the cutoff and the last microsecond that the deletion includes,
--          separated by a space. The script removes exchanges up to the cutoff, imports that were accepted up to that
--          microsecond, and the seal or token
-- ARGV[5]  '' or the ids of deleted exchanges, separated by commas. The script removes their entries and the token
-- ARGV[6]  '1' if PostgreSQL has these exchanges. They then replace entries with the same id, revision and time of
--          acceptance
-- ARGV[7…] five values per exchange: order key, exchange id, created_at, the user's entry, the assistant's entry
-- Returns the number of messages in the list; -1 for a refill if the list does not have its token.

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

-- The head is the list's first entry. A key of another type is deleted, because Redis is only a cache.
local head = redis.pcall('LINDEX', key, 0)
if type(head) ~= 'string' then
  if head then
    redis.call('DEL', key)
  end
  return token and -1 or 0
end

-- Returns an entry's exchange id, order key, time and revision; nil for an entry that another program wrote.
local function parse(entry)
  local id, order, created, rest =
    string.match(entry, '^{"exchange_id":"([0-9a-f-]+)","order":"([0-9a-f-]+)","created_at":"([0-9TZ:.-]+)"()')
  if id and #id == 36 and #order == 36 and #created == 27 then
    return id, order, created, tonumber(string.match(entry, '^,"revision":(%d+)', rest) or 0)
  end
end

local bare_head, field, value = split_seal_or_token(head)
if token and not (field == 'asked' and value == token) then
  return -1
end
local is_empty = string.sub(bare_head, 1, #PLACEHOLDER) == PLACEHOLDER

-- Sets the time to live, and returns the list's length.
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

-- The usual case: one new exchange that sorts after all exchanges of the list.
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
      if field then
        -- The list no longer has all exchanges of the thread, so the seal `first` becomes `whole`.
        local new_field = (field == 'first' and not is_empty) and 'whole' or field
        local new_head = split_seal_or_token(redis.call('LINDEX', key, 0))
        redis.call('LSET', key, 0, with_seal_or_token(new_head, new_field, value))
      end
    end
    return finish(length - start)
  end
end

-- Returns the time of acceptance in the entry of an imported exchange; nil for any other entry.
local function parse_acceptance(entry)
  local rest = string.match(entry, '^{"exchange_id":"[0-9a-f-]+","order":"[0-9a-f-]+","created_at":"[0-9TZ:.-]+"()')
  rest = rest and string.match(entry, '^,"revision":%d+()', rest) or rest
  local accepted = rest and string.match(entry, '^,"accepted_at":"([0-9TZ:.-]+)"', rest)
  return accepted and #accepted == 27 and accepted or nil
end

-- Returns whether the thread's deletion includes an exchange.
local function cutoff_includes(order, entry)
  if cutoff == '' then
    return false
  end
  local accepted = parse_acceptance(entry)
  if accepted then
    return accepted <= cutoff_time
  end
  return order <= cutoff
end

-- Returns whether a new exchange replaces the exchange with its id in the list (`listed`). The higher revision wins. If
-- the revisions are equal, the exchange that was accepted first wins. `store.sql` has the same rule, so Redis and
-- PostgreSQL have the same exchange.
local function replaces(created, revision, entry, listed)
  if not listed.created or revision ~= listed.revision then
    return not listed.created or revision > listed.revision
  end
  local accepted = parse_acceptance(entry) or created
  local listed_accepted = parse_acceptance(listed.entries[1]) or listed.created
  return accepted < listed_accepted or (is_stored and accepted == listed_accepted)
end

-- Returns the list's entries and the new ones in thread order, and the number of foreign entries, which another program
-- wrote.
local function merged_entries()
  local by_id = {}
  local exchanges = {}
  local foreign = {}
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    local id, order, created, revision = parse(entry)
    entry = split_seal_or_token(entry)
    if not id then
      foreign[#foreign + 1] = entry
    elseif by_id[id] then
      local entries = by_id[id].entries
      entries[#entries + 1] = entry
    elseif id ~= ZERO_ID then
      -- The placeholder is left out.
      by_id[id] = {id = id, order = order, created = created, revision = revision, entries = {entry}}
      exchanges[#exchanges + 1] = by_id[id]
    end
  end

  for i = EXCHANGES, #ARGV, 5 do
    local order, id, created = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local _, _, _, revision = parse(ARGV[i + 3])
    local listed = by_id[id]
    if not listed then
      listed = {id = id}
      by_id[id] = listed
      exchanges[#exchanges + 1] = listed
    end
    if replaces(created, revision, ARGV[i + 3], listed) then
      listed.order, listed.created, listed.revision = order, created, revision
      listed.entries = {ARGV[i + 3], ARGV[i + 4]}
    end
  end

  table.sort(exchanges, function(a, b)
    if a.order == b.order then
      return a.id < b.id
    end
    return a.order < b.order
  end)

  -- Foreign entries have no order key, so they come before all exchanges. A thread's deletion removes them.
  local list = cutoff == '' and foreign or {}
  local foreign_count = #list
  local deleted_ids = {}
  for id in string.gmatch(deleted, '[^,]+') do
    deleted_ids[id] = true
  end
  for _, exchange in ipairs(exchanges) do
    if not cutoff_includes(exchange.order, exchange.entries[1]) and not deleted_ids[exchange.id] then
      for _, entry in ipairs(exchange.entries) do
        list[#list + 1] = entry
      end
    end
  end
  return list, foreign_count
end

-- Returns the new exchanges' entries for a list that has no exchange yet. Returns nil if `merged_entries` is needed:
-- the new exchanges are not in thread order, two of them have the same id, or one of them is deleted.
local function new_entries()
  local list, seen, newest = {}, {}, ''
  for i = EXCHANGES, #ARGV, 5 do
    local order, id = ARGV[i], ARGV[i + 1]
    if order <= newest or cutoff_includes(order, ARGV[i + 3]) or seen[id] then
      return nil
    end
    newest, seen[id] = order, true
    list[#list + 1] = ARGV[i + 3]
    list[#list + 1] = ARGV[i + 4]
  end
  return list
end

local list, foreign_count = is_empty and deleted == '' and redis.call('LLEN', key) == 1 and new_entries(), 0
if not list then
  list, foreign_count = merged_entries()
end

-- Without foreign entries, the length and its maximum are even, so both entries of an exchange are removed or none.
local start = math.max(1, #list - max_length + 1)
if token then
  field, value = (seal == 'first' and start > 1) and 'whole' or seal, generation
elseif field == 'asked' or cutoff ~= '' then
  -- Every deletion removes the token, and a thread's deletion also removes the seal: the exchanges after the cutoff may
  -- belong to the previous or to the next owner, which only PostgreSQL can tell.
  field = not is_deletion and field or nil
elseif field == 'first' then
  -- The list had all exchanges of the thread, so the merged list has all of them, except those that it just removed.
  -- The seal ends if a foreign entry now comes before the sealed entry.
  field = (foreign_count == 0 or list[1] == bare_head) and (start > 1 and 'whole' or 'first') or nil
elseif field and list[start] ~= bare_head then
  -- Exchanges before the sealed entry may be missing. So the seal `whole` stays only if the list does not begin before
  -- that entry.
  local id, order = parse(list[start] or '')
  local sealed_id, sealed_order = parse(bare_head)
  if not id or not sealed_id or order < sealed_order or (order == sealed_order and id < sealed_id) then
    field = nil
  end
end

local remaining_ttl = redis.call('PTTL', key)
redis.call('DEL', key)
if #list == 0 then
  if field and (token or not is_deletion) then
    redis.call('RPUSH', key, with_seal_or_token(PLACEHOLDER .. '}', field, value))
    if remaining_ttl > 0 then
      redis.call('PEXPIRE', key, remaining_ttl)
    end
  end
  return 0
end
list[start] = with_seal_or_token(list[start], field, value)
for from = start, #list, 500 do
  redis.call('RPUSH', key, unpack(list, from, math.min(from + 499, #list)))
end
if ttl == 0 and remaining_ttl > 0 then
  redis.call('PEXPIRE', key, remaining_ttl)
end
return finish(#list - start + 1)
