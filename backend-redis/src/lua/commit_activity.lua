-- ARGV: the nine parts of the completion as deliver() takes them, task, instance, token.
-- 0 applied, 1 the loan is lost.
local tid, id = ARGV[10], ARGV[11]
if call('HGET', B .. 'a:' .. id, 'l' .. tid) ~= ARGV[12] then return 1 end
-- A full server refuses the first write or none; mostly that is the removal, which it lets pass.
local I = get(ARGV[2])
local execution = ARGV[7] == '' and ARGV[3] or ''
if I then accept(I, ARGV[1], execution, tonumber(ARGV[4]), ARGV[5] == '1', ARGV[6]) end
drop_task(tid, id)
call('ZREM', B .. 'tl', tid .. id)
flush()
return 0
