-- ARGV: task, instance, token, delay. 0 done, 1 lost.
local tid, id = ARGV[1], ARGV[2]
local ak = B .. 'a:' .. id
local r = call('HMGET', ak, 'b' .. tid, 'l' .. tid)
if not r[1] or r[2] ~= ARGV[3] then return 1 end
call('HDEL', ak, 'l' .. tid)
call('ZREM', B .. 'tl', tid .. id)
enqueue_at(now + tonumber(ARGV[4]), tid, id, r[1])
return 0
