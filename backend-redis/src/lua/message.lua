-- Messages. A value is one byte i(nbox) or d(elayed), c(ontrol) or -, x and an execution or - and
-- blanks, 16 digits (time of arrival, or number in the timer queue), and the body.
-- The first few small messages of an inbox are near: in the value of the instance. As soon as one
-- is large or there are many, it and all after it are far: values in the hash `m:`, ids in order
-- in the list `z:`, those of the control ones also in `c:`. Delayed messages are always in `m:`.
local NEAR_PARTS_MAX, NEAR_BYTES_MAX = 16, 512

local function find_near(I, mid)
  local ib = I.ib
  for n = 1, #ib, 2 do
    if ib[n] == mid then return n end
  end
end

local function is_control(value) return string.sub(value, 2, 2) == 'c' end

-- The value in `m:`, if the instance has any there.
local function far_value(I, mid)
  return (I.sp > 0 or I.nd > 0) and call('HGET', B .. 'm:' .. I.id, mid)
end

-- Puts a message at the end of the inbox. `stored` when its value is in `m:`.
local function arrive(I, mid, value, stored)
  local mk, ib, control = B .. 'm:' .. I.id, I.ib, is_control(value)
  if I.sp == 0 and #ib < NEAR_PARTS_MAX and #value <= NEAR_BYTES_MAX then
    ib[#ib + 1] = mid
    ib[#ib + 1] = value
    if stored then call('HDEL', mk, mid) end
  else
    call('HSET', mk, mid, value)
    call('RPUSH', B .. 'z:' .. I.id, mid)
    if control then call('RPUSH', B .. 'c:' .. I.id, mid) end
    I.sp = I.sp + 1
  end
  if control then I.nc = I.nc + 1 end
  changed(I)
  if I.lt or I.sg then return end
  if I.pz then
    -- The end of the pause is scheduled; only a control message comes before it.
    if control and I.nc == 1 then push_ready(I) end
  elseif #ib / 2 + I.sp == 1 then
    push_ready(I)
  end
end

-- Puts a message into the inbox or the timer queue. True when it went to the inbox.
local function accept(I, mid, execution, at, control, body)
  if terminal(I) or (execution ~= '' and execution ~= I.ex) then return false end
  if find_near(I, mid) or far_value(I, mid) then return false end
  local head = (control and 'c' or '-') .. (execution ~= '' and 'x' .. execution or '-' .. NONE)
  if at and at > now then
    local n = pad(call('INCR', B .. 'no'))
    call('HSET', B .. 'm:' .. I.id, mid, 'd' .. head .. n .. body)
    schedule(B .. 'tm', at, n .. mid .. I.id, 't')
    I.nd = I.nd + 1
    changed(I)
    return false
  end
  arrive(I, mid, 'i' .. head .. pad(now) .. body)
  return true
end

-- Removes near messages; `wanted` says which by id and value.
local function drop_near(I, wanted)
  local old, new = I.ib, {}
  for n = 1, #old, 2 do
    if not wanted(old[n], old[n + 1]) then
      new[#new + 1] = old[n]
      new[#new + 1] = old[n + 1]
    elseif is_control(old[n + 1]) then
      I.nc = I.nc - 1
    end
  end
  if #new < #old then
    I.ib = new
    changed(I)
  end
end

-- Removes a far or delayed message whose value is at hand.
local function drop_far(I, mid, value)
  call('HDEL', B .. 'm:' .. I.id, mid)
  if string.sub(value, 1, 1) == 'd' then
    call('ZREM', B .. 'tm', string.sub(value, 20, 35) .. mid .. I.id)
    I.nd = I.nd - 1
  else
    call('LREM', B .. 'z:' .. I.id, 1, mid)
    I.sp = I.sp - 1
    if is_control(value) then
      call('LREM', B .. 'c:' .. I.id, 1, mid)
      I.nc = I.nc - 1
    end
  end
  changed(I)
end

-- Whether a message is for an older generation. What a placeholder collected is for anybody.
local function is_stale(I, value)
  local execution = string.sub(value, 3, 3) == 'x' and string.sub(value, 4, 19)
  return execution and execution ~= I.ex and execution ~= I.px
end
