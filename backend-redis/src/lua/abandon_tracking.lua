-- ARGV: record, token. 0 done, 1 lost. The next batch is handed out when all of this one is back.
if call('HGET', B .. 'kl', ARGV[1]) ~= ARGV[2] then return 1 end
call('HDEL', B .. 'kl', ARGV[1])
if call('EXISTS', B .. 'kl') == 0 then ring('k') end
return 0
