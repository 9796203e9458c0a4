-- Tasks: fields of the hash `a:` of their instance: b(ody), l(oan), n(umber of deliveries) and
-- p(rogress), each followed by the id. A body is 16 digits (time of arrival), 16 bytes
-- (execution), 3 digits and the name of the queue, and the content. Queues hold id and instance;
-- entries whose task is gone are dropped when they come up.
local function enqueue(tid, id, body)
  local length = tonumber(string.sub(body, 33, 35))
  local queue = string.sub(body, 36, 35 + length)
  local list = B .. 'q:' .. queue
  if call('RPUSH', list, tid .. id) == 1 then ring_for('a', list) end
end

-- Puts a task into its queue, now or later.
local function enqueue_at(at, tid, id, body)
  if at and at > now then
    schedule(B .. 'td', at, pad(call('INCR', B .. 'no')) .. tid .. id, 'a')
  else
    enqueue(tid, id, body)
  end
end

local function drop_task(tid, id)
  return call('HDEL', B .. 'a:' .. id, 'b' .. tid, 'l' .. tid, 'n' .. tid, 'p' .. tid) > 0
end
