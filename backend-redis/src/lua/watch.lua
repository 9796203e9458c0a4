-- ARGV: instance, revision seen, since when watches count. The record as in read_records when it
-- is newer; otherwise nothing, and the next change rings.
local id = ARGV[1]
local r = call('HMGET', B .. 'i:' .. id, 'ex', 'ev', 'rv', 'up')
if r[3] and tonumber(r[3]) > tonumber(ARGV[2]) then
  return { call('GET', B .. 'r:' .. id), r[1], r[2], r[3], r[4] }
end
-- Watches of processes that went away end by age.
call('ZREMRANGEBYSCORE', B .. 'wt', '-inf', now - tonumber(ARGV[3]))
call('ZADD', B .. 'wt', now, id)
return {}
