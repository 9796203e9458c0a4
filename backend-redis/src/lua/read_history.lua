-- ARGV: instance, execution, first event, most bytes. Events of the execution (-1 unless it is
-- the current one), next (-1 at the end), chunks.
local id, ex, from, bytes_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local key = B .. 'h:' .. ex .. ':' .. id
local I = get(id)
local out = { I and I.ex == ex and num(I.ev) or '-1', '-1' }
if not I then return out end

local function first(index) return tonumber(string.sub(call('LINDEX', key, index), 1, 16)) end

-- Chunks begin with the number of their first event: a search by halves.
local low, high = 0, call('LLEN', key)
while low < high do
  local middle = math.floor((low + high) / 2)
  if first(middle) < from then low = middle + 1 else high = middle end
end
local bytes = 0
while true do
  local chunks = call('LRANGE', key, low, low + 31)
  if #chunks == 0 then return out end
  for _, chunk in ipairs(chunks) do
    if bytes >= bytes_max and #out > 2 then
      out[2] = num(tonumber(string.sub(chunk, 1, 16)))
      return out
    end
    bytes = bytes + #chunk
    out[#out + 1] = chunk
  end
  low = low + #chunks
end
