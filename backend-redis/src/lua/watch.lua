-- ARGV: instance, revision seen, since when watches count. The record as in read_records when it
-- is newer; otherwise nothing, and the next change rings. Without a revision: the record when it
-- is terminal, no execution when there is none, otherwise nothing, and the end rings.
local id, seen = ARGV[1], tonumber(ARGV[2])
local I = get(id)
local to_end = not seen
if to_end and not (I and I.st ~= 0) then return { false, false, false, false, false } end
if to_end and terminal(I) or seen and I and I.rv > seen then
  return { call('GET', B .. 'r:' .. id), I.ex, num(I.ev), num(I.rv), I.up }
end
-- Watches of processes that went away end by age, a few at a time.
local old = call('ZRANGE', B .. 'wt', '-inf', now - tonumber(ARGV[3]), 'BYSCORE', 'LIMIT', 0, 100)
if #old > 0 then call('ZREM', B .. 'wt', unpack(old)) end
call('ZADD', B .. 'wt', now, to_end and id .. '\0' or id)
return {}
