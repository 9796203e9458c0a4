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
  local v = far_value(I, mid)
  if v and string.sub(v, 1, 1) == 'd' then
    drop_far(I, mid, v)
  elseif not drop_task(mid, I.id) then
    if v then drop_far(I, mid, v) end
    drop_near(I, function(other) return other == mid end)
  end
end
