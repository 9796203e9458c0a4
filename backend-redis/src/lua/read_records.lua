-- ARGV: instances. Five values each: record, execution, events, revision, updated.
local out = {}
for _, id in ipairs(ARGV) do
  local r = call('HMGET', B .. 'i:' .. id, 'ex', 'ev', 'rv', 'up')
  out[#out + 1] = r[1] and call('GET', B .. 'r:' .. id)
  for n = 1, 4 do out[#out + 1] = r[n] end
end
return out
