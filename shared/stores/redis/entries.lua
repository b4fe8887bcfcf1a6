-- Functions for a list's entries; each script begins with them.

-- An entry's ending is in its last bytes.
local ENDING = 80
local NIL = '00000000-0000-0000-0000-000000000000'
local PLACEHOLDER = '{"exchange_id":"' .. NIL .. '","order":"' .. NIL .. '","created_at":"1970-01-01T00:00:00.000000Z",'
  .. '"role":"system","content":"","metadata":null'

local ENDINGS = {first = true, whole = true, asked = true}

-- The entry without its ending, and the ending's value. Earlier releases wrote `true` for a generation.
local function split(entry)
  local tail = string.sub(entry, -ENDING)
  local at, _, name, value = string.find(tail, ',"(%l+)":"?([%w.]+)"?}$')
  if at and ENDINGS[name] then
    return string.sub(entry, 1, #entry - #tail + at - 1) .. '}', name, value
  end
  return entry
end

-- A foreign entry gets an ending only if it stays valid JSON.
local function ended(entry, name, value)
  if name and string.byte(entry) == 123 and string.find(string.sub(entry, -2), '^[^%s{,]}$') then
    return string.sub(entry, 1, -2) .. ',"' .. name .. '":"' .. value .. '"}'
  end
  return entry
end
