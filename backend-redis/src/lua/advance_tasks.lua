-- Lets happen what is due for tasks: ends of delays and of loans. Bounded.
local function advance()
  for _, member in ipairs(due(B .. 'td')) do
    call('ZREM', B .. 'td', member)
    local tid, id = string.sub(member, 17, 40), string.sub(member, 41)
    local r = call('HMGET', B .. 'a:' .. id, 'b' .. tid, 'l' .. tid)
    if r[1] and not r[2] then enqueue(tid, id, r[1]) end
  end
  for _, member in ipairs(due(B .. 'tl')) do
    call('ZREM', B .. 'tl', member)
    local tid, id = string.sub(member, 1, 24), string.sub(member, 25)
    local body = call('HGET', B .. 'a:' .. id, 'b' .. tid)
    if body and call('HDEL', B .. 'a:' .. id, 'l' .. tid) == 1 then enqueue(tid, id, body) end
  end
end
