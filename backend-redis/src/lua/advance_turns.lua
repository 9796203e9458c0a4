-- Lets happen what is due for turns: timers, ends of holds, of delays and of loans. Bounded; what
-- is left is due at once by next_due().
local function advance()
  for _, member in ipairs(call('ZRANGE', B .. 'tm', '-inf', now, 'BYSCORE', 'LIMIT', 0, 200)) do
    call('ZREM', B .. 'tm', member)
    local number, mid = string.sub(member, 1, 16), string.sub(member, 17, 40)
    local I = get(string.sub(member, 41))
    local mk = I and B .. 'm:' .. I.id
    local v = I and call('HGET', mk, mid)
    if v and string.sub(v, 1, 1) == 'd' and string.sub(v, 20, 35) == number then
      call('HSET', mk, mid, 'i' .. string.sub(v, 2, 19) .. pad(now) .. string.sub(v, 36))
      arrive(I, mid, string.sub(v, 2, 2) == 'c')
      set(I, 'nd', I.nd - 1)
      make_ready(I)
    end
  end
  for _, id in ipairs(call('ZRANGE', B .. 'wk', '-inf', now, 'BYSCORE', 'LIMIT', 0, 200)) do
    call('ZREM', B .. 'wk', id)
    local I = get(id)
    if I then
      if I.lt then end_loan(I) end
      make_ready(I)
    end
  end
end
