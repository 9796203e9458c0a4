-- ARGV: most instances, most messages each, length of the loan, 12 random bytes.
local max, messages_max, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local BYTES_MAX = 8 * 1024 * 1024
local bytes, count, looks = 0, 0, 0

-- The oldest messages that may be handed out; those of an older generation are dropped.
local function messages(I)
  local mk, zk, ck = B .. 'm:' .. I.id, B .. 'z:' .. I.id, B .. 'c:' .. I.id
  local order = held(I) and ck or zk
  local found, from = {}, 0
  while #found < 2 * messages_max do
    local ids = call('ZRANGE', order, from, from + messages_max - 1)
    if #ids == 0 then break end
    local values = call('HMGET', mk, unpack(ids))
    for n, mid in ipairs(ids) do
      local v = values[n]
      local execution = v and string.sub(v, 3, 3) == 'x' and string.sub(v, 4, 19)
      if not v or (execution and execution ~= I.ex and execution ~= I.px) then
        call('ZREM', zk, mid)
        call('ZREM', ck, mid)
        call('HDEL', mk, mid)
      elseif #found < 2 * messages_max and (bytes < BYTES_MAX or #found == 0) then
        found[#found + 1] = mid
        found[#found + 1] = v
        bytes = bytes + #v
        from = from + 1
      end
    end
    if #ids < messages_max or bytes >= BYTES_MAX then break end
  end
  return found
end

advance()
local out = { '0', '-1' }
while count < max and looks < max + 200 and bytes < BYTES_MAX do
  local id = call('LPOP', B .. 'rd')
  if not id then break end
  looks = looks + 1
  local I = get(id)
  if I then
    set(I, 'q', false)
    local found = not I.lt and not terminal(I) and messages(I)
    if found and is_ready(I) then
      count = count + 1
      local token = ARGV[4] .. struct.pack('>I4', count)
      set(I, 'lt', token)
      set(I, 'dl', I.dl + 1)
      call('ZADD', B .. 'wk', now + lease, id)
      for _, part in ipairs({ id, token, I.ex, I.ev, num(I.dl), num(#found / 2) }) do
        out[#out + 1] = part
      end
      for _, part in ipairs(found) do out[#out + 1] = part end
    end
  end
end
flush()
if call('EXISTS', B .. 'rd') == 1 then out[1] = '1' end
out[2] = next_due(B .. 'tm', B .. 'wk')
return out
