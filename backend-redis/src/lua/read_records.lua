-- ARGV: instances. Five values each: record, execution, events, revision, updated.
local out = {}
for _, id in ipairs(ARGV) do
  local I = get(id)
  local parts = { false, false, false, false, false }
  if I then parts = { call('GET', B .. 'r:' .. id), I.ex, num(I.ev), num(I.rv), I.up } end
  for n = 1, 5 do out[#out + 1] = parts[n] end
end
return out
