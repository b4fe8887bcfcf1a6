-- Removes entries from a list, whatever their endings, and removes the list's token.
--
-- KEYS[1]  the list
-- ARGV     the entries, without an ending
-- Returns the number of removed entries.

if redis.call('TYPE', KEYS[1]).ok ~= 'list' then
  return 0
end

local wanted = {}
for _, entry in ipairs(ARGV) do
  wanted[entry] = true
end

local removed = 0
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if wanted[split_ending(entry)] then
    removed = removed + redis.call('LREM', KEYS[1], 1, entry)
  end
end
local head = redis.call('LINDEX', KEYS[1], 0)
if head then
  local bare_head, name = split_ending(head)
  if name == 'asked' then
    redis.call('LSET', KEYS[1], 0, bare_head)
  end
end
return removed
