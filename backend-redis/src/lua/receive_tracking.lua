-- ARGV: most records, length of the loan, 12 random bytes. One batch is on loan at a time, so
-- that records of one instance stay in order.
local BYTES_MAX = 8 * 1024 * 1024
local out, bytes = { '0', '-1' }, 0
local till = tonumber(call('GET', B .. 'ku') or 0)
if call('EXISTS', B .. 'kl') == 1 then
  if till > now then
    out[2] = num(till - now)
    return out
  end
  call('UNLINK', B .. 'kl')
end
for n, rid in ipairs(call('LRANGE', B .. 'kq', 0, tonumber(ARGV[1]) - 1)) do
  if bytes >= BYTES_MAX then break end
  local token, body = ARGV[3] .. struct.pack('>I4', n), call('HGET', B .. 'kb', rid)
  call('HSET', B .. 'kl', rid, token)
  for _, part in ipairs({ rid, token, body }) do out[#out + 1] = part end
  bytes = bytes + #(body or '')
end
if #out > 2 then
  call('SET', B .. 'ku', num(now + tonumber(ARGV[2])))
  out[2] = ARGV[2]
end
return out
