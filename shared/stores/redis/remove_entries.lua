-- Removes entries from a list, also an entry that has a seal or token, and removes the list's token.
--
-- KEYS[1]  the list
-- ARGV     the entries, without a seal or token
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
  if wanted[split_seal_or_token(entry)] then
    removed = removed + redis.call('LREM', KEYS[1], 1, entry)
  end
end
local head = redis.call('LINDEX', KEYS[1], 0)
if head then
  local bare_head, field = split_seal_or_token(head)
  -- `asked` is the name of the token's field.
  if field == 'asked' then
    redis.call('LSET', KEYS[1], 0, bare_head)
  end
end
return removed
