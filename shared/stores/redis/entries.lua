-- Functions for a list's entries. The scripts that use them begin with this file.
--
-- The last field of a list's first entry may be a seal or a token:
--
-- "first":"G"  the seal of a list that has all exchanges of its thread, as PostgreSQL confirmed in generation G
-- "whole":"G"  the seal of a list that has only the newest exchanges of its thread, without a gap, in generation G
-- "asked":"T"  the token of a reader that asks PostgreSQL for the thread's exchanges

local FIELDS = {first = true, whole = true, asked = true}
-- The maximum number of bytes of this field.
local MAX_FIELD_BYTES = 80

-- The only entry of a list that has no exchange. The list needs it for the seal or the token.
local ZERO_ID = '00000000-0000-0000-0000-000000000000'
local PLACEHOLDER = '{"exchange_id":"' .. ZERO_ID .. '","order":"' .. ZERO_ID .. '",'
  .. '"created_at":"1970-01-01T00:00:00.000000Z","role":"system","content":"","metadata":null'

-- Returns the entry without its seal or token, and the name and value of that field. Earlier releases wrote `true` as
-- the value.
local function split_seal_or_token(entry)
  local tail = string.sub(entry, -MAX_FIELD_BYTES)
  local start, _, field, value = string.find(tail, ',"(%l+)":"?([%w.]+)"?}$')
  if start and FIELDS[field] then
    return string.sub(entry, 1, #entry - #tail + start - 1) .. '}', field, value
  end
  return entry
end

-- Returns the entry with a seal or token. A foreign entry, which another program wrote, gets the field only if the
-- entry stays valid JSON.
local function with_seal_or_token(entry, field, value)
  if field and string.byte(entry) == 123 and string.find(string.sub(entry, -2), '^[^%s{,]}$') then
    return string.sub(entry, 1, -2) .. ',"' .. field .. '":"' .. value .. '"}'
  end
  return entry
end
