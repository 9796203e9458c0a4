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

-- What is too much for one script is put away under another name and listed in `gc`, to be removed
-- bit by bit: kind (x messages, y generations, s stale timers), number, id. The mark among the
-- timers lets receivers come by.
local GARBAGE_MIN = 100
local function add_garbage(kind, number, id)
  local name = kind .. ':' .. pad(number) .. ':' .. id
  if call('RPUSH', B .. 'gc', name) == 1 then schedule(B .. 'tm', now, '#', 't') end
  return name
end

local function put_away(kind, key, id)
  call('RENAME', key, B .. add_garbage(kind, call('INCR', B .. 'no'), id))
end

-- Removes the delayed messages of generations that are over.
local function drop_stale(I)
  if I.nd > GARBAGE_MIN then
    add_garbage('s', 0, I.id)
    return
  end
  if I.nd == 0 then return end
  -- There may be many more that are not delayed.
  if call('HLEN', B .. 'm:' .. I.id) > 4 * GARBAGE_MIN then
    add_garbage('s', 0, I.id)
    return
  end
  local all = call('HGETALL', B .. 'm:' .. I.id)
  for n = 1, #all, 2 do
    local value = all[n + 1]
    if string.sub(value, 1, 1) == 'd' and is_stale(I, value) then drop_far(I, all[n], value) end
  end
end

-- Removes all messages and tasks of an instance that has ended.
local function drop_work(I)
  local mk = B .. 'm:' .. I.id
  if I.nd > 0 then
    if call('HLEN', mk) > GARBAGE_MIN then
      put_away('x', mk, I.id)
    else
      local all, timers = call('HGETALL', mk), {}
      for n = 1, #all, 2 do
        if string.sub(all[n + 1], 1, 1) == 'd' then
          timers[#timers + 1] = string.sub(all[n + 1], 20, 35) .. all[n] .. I.id
        end
      end
      if #timers > 0 then call('ZREM', B .. 'tm', unpack(timers)) end
    end
  end
  call('UNLINK', mk, B .. 'z:' .. I.id, B .. 'c:' .. I.id, B .. 'a:' .. I.id)
  I.ib, I.sp, I.nc, I.nd = {}, 0, 0, 0
end

local function history_key(id, execution) return B .. 'h:' .. execution .. ':' .. id end

local function drop_histories(I)
  call('UNLINK', history_key(I.id, I.ex))
  local older = B .. 'g:' .. I.id
  if call('LLEN', older) > GARBAGE_MIN then
    put_away('y', older, I.id)
    return
  end
  local keys = call('LRANGE', older, 0, -1)
  for n, execution in ipairs(keys) do keys[n] = history_key(I.id, execution) end
  keys[#keys + 1] = older
  call('UNLINK', unpack(keys))
end

-- Begins a generation in place of whatever has the id; a placeholder's inbox is kept for it.
local function begin(id, record, status, execution)
  call('SET', B .. 'r:' .. id, record) -- first, because a full server refuses this one
  local old = get(id)
  local new = {
    id = id, ex = execution, ev = 0, rv = 1, st = status, up = false, lt = false, ct = false,
    dl = 0, pz = status == 0 and 'h', nd = 0, nc = 0, px = false,
    sg = false, sp = 0, ib = {},
  }
  if old then
    new.rv = old.rv + 1
    if old.st == 0 then
      call('UNLINK', B .. 'a:' .. id)
      new.nc, new.sp, new.ib, new.nd = old.nc, old.sp, old.ib, old.nd
      new.px = old.ex -- messages for the placeholder count as messages for anybody
    else
      drop_work(old)
    end
    drop_histories(old)
    call('ZREM', B .. 'wk', id)
  else
    call('ZADD', B .. 'ix', 0, id)
  end
  cache[id] = new
  changed(new)
  note_change(id)
  return new
end

-- Begins a generation with its start message, which comes before what a placeholder collected.
local function begin_with(id, record, status, execution, mid, at, control, body)
  local I = begin(id, record, status, execution)
  local collected = #I.ib > 0 or I.sp > 0
  local arrived = accept(I, mid, '', at, control, body)
  if not collected then return end
  if arrived then
    local value
    if I.sp > 0 then
      value = call('HGET', B .. 'm:' .. id, mid)
      call('HDEL', B .. 'm:' .. id, mid)
      call('RPOP', B .. 'z:' .. id)
      if control then call('RPOP', B .. 'c:' .. id) end
      I.sp = I.sp - 1
    else
      value = table.remove(I.ib)
      table.remove(I.ib)
    end
    table.insert(I.ib, 1, value)
    table.insert(I.ib, 1, mid)
    make_ready(I)
  elseif at and at > now and not I.pz then
    -- What was collected waits for the start.
    I.pz = 'd' .. num(at)
    schedule(B .. 'wk', at, id, 't')
  else
    make_ready(I)
  end
end

-- Delivers a message to whoever has the id, creating an instance if it says so.
local function deliver(mid, id, execution, at, control, body, record, status, new)
  local I = get(id)
  if record ~= '' then
    status = tonumber(status)
    if not I or terminal(I) or (I.st == 0 and status ~= 0) then
      return begin_with(id, record, status, new, mid, tonumber(at), control == '1', body)
    end
    execution = ''
  end
  if I then accept(I, mid, execution, tonumber(at), control == '1', body) end
end
