-- Functions for a list's entries. The scripts that use them begin with this file.

-- The maximum number of bytes of an entry's ending.
local ENDING = 80
local NIL = '00000000-0000-0000-0000-000000000000'
local PLACEHOLDER = '{"exchange_id":"' .. NIL .. '","order":"' .. NIL .. '","created_at":"1970-01-01T00:00:00.000000Z",'
  .. '"role":"system","content":"","metadata":null'

local ENDINGS = {first = true, whole = true, asked = true}

-- Returns the entry without its ending, and the ending's name and value. Earlier releases wrote `true` as the value.
local function split_ending(entry)
  local tail = string.sub(entry, -ENDING)
  local start, _, name, value = string.find(tail, ',"(%l+)":"?([%w.]+)"?}$')
  if start and ENDINGS[name] then
    return string.sub(entry, 1, #entry - #tail + start - 1) .. '}', name, value
  end
  return entry
end

-- Returns the entry with an ending. A foreign entry gets an ending only if it remains valid JSON.
local function with_ending(entry, name, value)
  if name and string.byte(entry) == 123 and string.find(string.sub(entry, -2), '^[^%s{,]}$') then
    return string.sub(entry, 1, -2) .. ',"' .. name .. '":"' .. value .. '"}'
  end
  return entry
end
