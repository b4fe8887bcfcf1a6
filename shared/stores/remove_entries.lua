-- Removes entries from a list, whatever seal they carry.
--
-- KEYS[1]  the list
-- ARGV     the entries, without a seal
-- Returns how many were removed.

if redis.call('TYPE', KEYS[1]).ok ~= 'list' then
  return 0
end

local wanted = {}
for _, entry in ipairs(ARGV) do
  wanted[entry] = true
end

local SEAL = 64
local removed = 0
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local tail = string.sub(entry, -SEAL)
  local at = string.find(tail, ',"first":[%w."]+}$') or string.find(tail, ',"whole":[%w."]+}$')
  local bare = at and string.sub(entry, 1, #entry - #tail + at - 1) .. '}' or entry
  if wanted[bare] then
    removed = removed + redis.call('LREM', KEYS[1], 1, entry)
  end
end
return removed
