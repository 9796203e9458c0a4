-- ARGV: most instances, most messages each, length of the loan, 12 random bytes, 1 with other
-- partitions.
local max, messages_max, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local BYTES_MAX, ALL_MESSAGES_MAX = 8 * 1024 * 1024, 2000
local bytes, count, looks, all_messages, drops = 0, 0, 0, 0, 150

-- The oldest messages that may be handed out.
local function messages(I)
  local found, only_control = {}, held(I)
  drop_near(I, function(_, value) return is_stale(I, value) end)
  for n = 1, #I.ib, 2 do
    local value = I.ib[n + 1]
    if #found < 2 * messages_max and (not only_control or is_control(value)) then
      found[#found + 1] = I.ib[n]
      found[#found + 1] = value
      bytes = bytes + #value
    end
  end
  if I.sp == 0 then return found end
  -- Far ones come behind them; those of an older generation are dropped.
  local order = B .. (only_control and 'c:' or 'z:') .. I.id
  local mk, from = B .. 'm:' .. I.id, 0
  while #found < 2 * messages_max and bytes < BYTES_MAX and drops > 0 do
    local ids = call('LRANGE', order, from, from + messages_max - 1)
    if #ids == 0 then return found end
    local values = call('HMGET', mk, unpack(ids))
    for n, mid in ipairs(ids) do
      local v = values[n]
      if drops == 0 then return found end
      if not v then
        call('LREM', order, 1, mid)
        drops = drops - 1
      elseif is_stale(I, v) then
        drop_far(I, mid, v)
        drops = drops - 1
      elseif #found < 2 * messages_max and (bytes < BYTES_MAX or #found == 0) then
        found[#found + 1] = mid
        found[#found + 1] = v
        bytes = bytes + #v
        from = from + 1
      end
    end
    if #ids < messages_max then return found end
  end
  return found
end

advance()
-- The third is a turn whose staged parts nobody has brought out for a second.
local out = { '0', '-1', false, false }
if call('EXISTS', B .. 'pb') == 1 then
  out[3] = call('ZRANGE', B .. 'pb', '-inf', now - 1000000, 'BYSCORE', 'LIMIT', 0, 1)[1] or false
end
if ARGV[5] == '1' then
  -- Partitions whose messages nobody has relayed for a second; others leave them to this call.
  local late = call('ZRANGE', B .. 'od', '-inf', now - 1000000, 'BYSCORE', 'LIMIT', 0, 16)
  for _, dest in ipairs(late) do call('ZADD', B .. 'od', 'XX', now, dest) end
  if #late > 0 then out[4] = table.concat(late, ',') end
end
while count < max and looks < max + 100 and drops > 0 and bytes < BYTES_MAX
  and all_messages < ALL_MESSAGES_MAX do
  local id = call('LPOP', B .. 'rd')
  if not id then break end
  looks = looks + 1
  local I = get(id)
  local found = I and not I.lt and not I.sg and not terminal(I) and messages(I)
  if found and #found == 0 and drops == 0 then
    push_ready(I) -- there may be more behind what was dropped
  elseif found and (#found > 0 or is_ready(I)) then
    count = count + 1
    all_messages = all_messages + #found / 2
    local token = ARGV[4] .. struct.pack('>I4', count)
    I.lt = token
    I.dl = I.dl + 1
    changed(I)
    call('ZADD', B .. 'wk', now + lease, id)
    for _, part in ipairs({ id, token, I.ct or '', I.ex, num(I.ev), num(I.dl), num(#found / 2) }) do
      out[#out + 1] = part
    end
    for _, part in ipairs(found) do out[#out + 1] = part end
  end
end
flush()
if call('EXISTS', B .. 'rd') == 1 then
  out[1] = '1'
else
  out[2] = next_due(B .. 'tm', B .. 'wk')
end
return out
