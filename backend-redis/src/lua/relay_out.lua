-- ARGV: target partition, number of the first message that was taken there, how many were taken,
-- most messages. Removes these, unless somebody else has; {left behind them?, messages}.
local key, dest, count = B .. 'o:' .. ARGV[1], ARGV[1], tonumber(ARGV[3])
local BYTES_MAX = 4 * 1024 * 1024

if count > 0 then
  local head = call('LINDEX', key, 0)
  if head and string.sub(head, 1, 16) == ARGV[2] then
    call('LTRIM', key, count, -1)
    if call('EXISTS', key) == 0 then
      call('ZREM', B .. 'od', dest)
    else
      call('ZADD', B .. 'od', 'XX', now, dest)
    end
  end
end
local out, bytes, most = {}, 0, tonumber(ARGV[4])
while #out < most and bytes < BYTES_MAX do
  local entries = call('LRANGE', key, #out, math.min(#out + 15, most - 1))
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    out[#out + 1] = entry
    bytes = bytes + #entry
  end
end
return out
