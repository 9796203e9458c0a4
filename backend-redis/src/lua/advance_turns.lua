-- Lets happen what is due for turns: timers, ends of holds, of delays and of loans. Bounded.
local function advance()
  for _, member in ipairs(due(B .. 'tm')) do
    if member == '#' then
      sweep()
    else
      call('ZREM', B .. 'tm', member)
      local number, mid = string.sub(member, 1, 16), string.sub(member, 17, 40)
      local I = get(string.sub(member, 41))
      local mk = I and B .. 'm:' .. I.id
      local v = I and call('HGET', mk, mid)
      if v and string.sub(v, 1, 1) == 'd' and string.sub(v, 20, 35) == number then
        I.nd = I.nd - 1
        arrive(I, mid, 'i' .. string.sub(v, 2, 19) .. pad(now) .. string.sub(v, 36), true)
      end
    end
  end
  for _, id in ipairs(due(B .. 'wk')) do
    call('ZREM', B .. 'wk', id)
    local I = get(id)
    if I then
      if I.lt then end_loan(I) end
      make_ready(I)
    end
  end
end
