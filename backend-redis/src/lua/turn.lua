-- The parts of a turn that there may be many of.
local function add_task(I, tid, execution, at, queue, content)
  if terminal(I) then return end
  local body = pad(now) .. execution .. string.format('%03d', #queue) .. queue .. content
  if call('HSETNX', B .. 'a:' .. I.id, 'b' .. tid, body) == 1 then
    enqueue_at(tonumber(at), tid, I.id, body)
  end
end

-- A message to itself.
local function accept_own(I, mid, execution, at, control, body, record)
  if record ~= '' then execution = '' end
  accept(I, mid, execution, tonumber(at), control == '1', body)
end

-- Removes a timer, a task, or a timer that is due and unread.
local function cancel(I, mid)
  local v = call('HGET', B .. 'm:' .. I.id, mid)
  local delayed = v and string.sub(v, 1, 1) == 'd'
  if delayed or (not drop_task(mid, I.id) and v) then drop_message(I, mid, v) end
end
