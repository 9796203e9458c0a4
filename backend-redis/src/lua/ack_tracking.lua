-- ARGV: record, token. 0 done, 1 lost.
if call('HGET', B .. 'kl', ARGV[1]) ~= ARGV[2] then return 1 end
call('HDEL', B .. 'kl', ARGV[1])
call('HDEL', B .. 'kb', ARGV[1])
call('LREM', B .. 'kq', 1, ARGV[1])
if call('EXISTS', B .. 'kl') == 0 and call('EXISTS', B .. 'kq') == 1 then ring('k') end
return 0
