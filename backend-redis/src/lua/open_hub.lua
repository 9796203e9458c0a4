-- ARGV: partitions if nobody has said how many yet. How many there are. To be called on the first.
local have = call('HGET', B .. 'hub', 'partitions')
if have then return tonumber(have) end
-- A hub from before this was written down has one.
local count = call('EXISTS', B .. 'ix') == 1 and '1' or ARGV[1]
call('HSET', B .. 'hub', 'format', '1', 'partitions', count)
return tonumber(count)
