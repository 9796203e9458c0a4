-- ARGV: most tasks, length of the loan, 12 random bytes, queues.
local max, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local BYTES_MAX = 8 * 1024 * 1024
local bytes, count, looks = 0, 0, 0

advance()
local out = { '0', '-1' }
for n = 4, #ARGV do
  local queue = B .. 'q:' .. ARGV[n]
  while count < max and looks < max + 100 and bytes < BYTES_MAX do
    local member = call('LPOP', queue)
    if not member then break end
    looks = looks + 1
    local tid, id = string.sub(member, 1, 24), string.sub(member, 25)
    local ak = B .. 'a:' .. id
    local r = call('HMGET', ak, 'b' .. tid, 'l' .. tid, 'n' .. tid, 'p' .. tid)
    if r[1] and not r[2] then
      count = count + 1
      bytes = bytes + #r[1]
      local token = ARGV[3] .. struct.pack('>I4', count)
      local delivery = num(tonumber(r[3] or 0) + 1)
      call('HSET', ak, 'l' .. tid, token, 'n' .. tid, delivery)
      call('ZADD', B .. 'tl', now + lease, member)
      for _, part in ipairs({ tid, id, token, delivery, r[1] }) do out[#out + 1] = part end
      out[#out + 1] = r[4]
    end
  end
end
for n = 4, #ARGV do
  if call('EXISTS', B .. 'q:' .. ARGV[n]) == 1 then out[1] = '1' end
end
if out[1] == '0' then out[2] = next_due(B .. 'td', B .. 'tl') end
return out
