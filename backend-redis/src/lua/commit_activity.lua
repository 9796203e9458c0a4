-- ARGV: the nine parts of the completion as deliver() takes them, task, instance, token.
-- 0 applied, 1 the loan is lost.
local tid, id = ARGV[10], ARGV[11]
local r = call('HMGET', B .. 'a:' .. id, 'b' .. tid, 'l' .. tid)
if not r[1] or r[2] ~= ARGV[12] then return 1 end
-- The delivery comes first, because a full server refuses it.
local I = get(ARGV[2])
local execution = ARGV[7] == '' and ARGV[3] or ''
if I then accept(I, ARGV[1], execution, tonumber(ARGV[4]), ARGV[5] == '1', ARGV[6]) end
drop_task(tid, id)
call('ZREM', B .. 'tl', tid .. id)
flush()
return 0
