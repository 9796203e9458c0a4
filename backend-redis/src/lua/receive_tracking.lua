-- ARGV: most records, length of the loan, 12 random bytes. One batch is on loan at a time, so
-- that records of one instance stay in order.
local out = { '0', '-1' }
local till = tonumber(call('GET', B .. 'ku') or 0)
if call('EXISTS', B .. 'kl') == 1 then
  if till > now then
    out[2] = num(till - now)
    return out
  end
  call('UNLINK', B .. 'kl')
end
for n, rid in ipairs(call('LRANGE', B .. 'kq', 0, tonumber(ARGV[1]) - 1)) do
  local token = ARGV[3] .. struct.pack('>I4', n)
  call('HSET', B .. 'kl', rid, token)
  for _, part in ipairs({ rid, token, call('HGET', B .. 'kb', rid) }) do out[#out + 1] = part end
end
if #out > 2 then
  call('SET', B .. 'ku', num(now + tonumber(ARGV[2])))
  out[2] = ARGV[2]
end
return out
