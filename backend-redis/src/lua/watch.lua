-- ARGV: instance, revision seen, since when watches count. The record as in read_records when it
-- is newer; otherwise nothing, and the next change rings.
local id = ARGV[1]
local I = get(id)
if I and I.rv > tonumber(ARGV[2]) then
  return { call('GET', B .. 'r:' .. id), I.ex, num(I.ev), num(I.rv), I.up }
end
-- Watches of processes that went away end by age, a few at a time.
local old = call('ZRANGE', B .. 'wt', '-inf', now - tonumber(ARGV[3]), 'BYSCORE', 'LIMIT', 0, 100)
if #old > 0 then call('ZREM', B .. 'wt', unpack(old)) end
call('ZADD', B .. 'wt', now, id)
return {}
