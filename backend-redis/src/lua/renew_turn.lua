-- ARGV: instance, token, length of the loan. 0 renewed, 1 lost.
local I = get(ARGV[1])
if not I or I.lt ~= ARGV[2] then return 1 end
local till = tonumber(call('ZSCORE', B .. 'wk', I.id) or 0)
if till <= now then
  end_loan(I)
  make_ready(I)
  flush()
  return 1
end
-- Removed first, because a server refuses to grow when it is full, but not in the midst of changes.
call('ZREM', B .. 'wk', I.id)
call('ZADD', B .. 'wk', now + tonumber(ARGV[3]), I.id)
return 0
