-- ARGV: task, instance, token, length of the loan, 1 with progress, progress.
-- 0 renewed, 1 lost, 2 no longer wanted.
local tid, id = ARGV[1], ARGV[2]
local ak, member = B .. 'a:' .. id, tid .. id
local r = call('HMGET', ak, 'b' .. tid, 'l' .. tid)
if not r[1] then return 2 end
if r[2] ~= ARGV[3] then return 1 end
if tonumber(call('ZSCORE', B .. 'tl', member) or 0) <= now then
  call('ZREM', B .. 'tl', member)
  call('HDEL', ak, 'l' .. tid)
  enqueue(tid, id, r[1])
  return 1
end
-- Removed first, because a server refuses to grow when it is full, but not in the midst of changes.
call('ZREM', B .. 'tl', member)
call('ZADD', B .. 'tl', now + tonumber(ARGV[4]), member)
if ARGV[5] == '1' then call('HSET', ak, 'p' .. tid, ARGV[6]) end
return 0
