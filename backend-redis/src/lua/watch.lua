-- ARGV: instance, revision seen, since when watches count. The record as in read_records when it
-- is newer; otherwise nothing, and the next change rings.
local id = ARGV[1]
local I = get(id)
if I and I.rv > tonumber(ARGV[2]) then
  return { call('GET', B .. 'r:' .. id), I.ex, num(I.ev), num(I.rv), I.up }
end
-- Watches of processes that went away end by age.
call('ZREMRANGEBYSCORE', B .. 'wt', '-inf', now - tonumber(ARGV[3]))
call('ZADD', B .. 'wt', now, id)
return {}
