-- Messages: a value per message in the hash `m:` of its instance, the arrived ones in the order
-- of the sorted set `z:`, the control ones of them also in `c:`. A value is one byte i(nbox) or
-- d(elayed), c(ontrol) or -, x and an execution or - and blanks, 16 digits (time of arrival, or
-- number in the timer queue), and the body.
local function arrive(I, mid, control)
  local n = call('INCR', B .. 'no')
  call('ZADD', B .. 'z:' .. I.id, n, mid)
  if control then call('ZADD', B .. 'c:' .. I.id, n, mid) end
  return n
end

-- Puts a message into the inbox or the timer queue. True when it went to the inbox.
local function accept(I, mid, execution, at, control, body)
  if terminal(I) or (execution ~= '' and execution ~= I.ex) then return false end
  local mk = B .. 'm:' .. I.id
  local head = (control and 'c' or '-') .. (execution ~= '' and 'x' .. execution or '-' .. NONE)
  if at and at > now then
    if call('HEXISTS', mk, mid) == 1 then return false end
    local n = pad(call('INCR', B .. 'no'))
    call('HSET', mk, mid, 'd' .. head .. n .. body)
    schedule(B .. 'tm', at, n .. mid .. I.id, 't')
    set(I, 'nd', I.nd + 1)
    return false
  end
  if call('HSETNX', mk, mid, 'i' .. head .. pad(now) .. body) == 0 then return false end
  arrive(I, mid, control)
  make_ready(I)
  return true
end

-- Removes the delayed messages that `stale` says so of; all of them without it.
local function drop_delayed(I, stale)
  if I.nd == 0 then return end
  local mk = B .. 'm:' .. I.id
  local all, left = call('HGETALL', mk), I.nd
  for n = 1, #all, 2 do
    local mid, value = all[n], all[n + 1]
    if string.sub(value, 1, 1) == 'd' and (not stale or stale(value)) then
      call('ZREM', B .. 'tm', string.sub(value, 20, 35) .. mid .. I.id)
      call('HDEL', mk, mid)
      left = left - 1
    end
  end
  set(I, 'nd', left > 0 and left or false)
  I.nd = left
end

-- Removes what an instance of an ended generation may still have.
local function drop_work(I)
  drop_delayed(I)
  call('UNLINK', B .. 'm:' .. I.id, B .. 'z:' .. I.id, B .. 'c:' .. I.id, B .. 'a:' .. I.id)
end

local function history_key(id, execution) return B .. 'h:' .. execution .. ':' .. id end

local function drop_histories(I)
  call('UNLINK', history_key(I.id, I.ex))
  local older = B .. 'g:' .. I.id
  for _, execution in ipairs(call('LRANGE', older, 0, -1)) do
    call('UNLINK', history_key(I.id, execution))
  end
  call('UNLINK', older)
end

-- Begins a generation in place of whatever has the id; a placeholder's inbox is kept for it.
local function begin(id, record, status, execution)
  call('SET', B .. 'r:' .. id, record) -- first, because a full server refuses this one
  local old = get(id)
  local new = {
    id = id, k = B .. 'i:' .. id, ex = execution, ev = '0', rv = 1, st = status, lt = false,
    pz = false, q = false, dl = 0, nd = 0, px = false, ct = false, w = {},
  }
  if old then
    new.rv, new.q = old.rv + 1, old.q
    if old.st == 0 then
      drop_delayed(old)
      call('UNLINK', B .. 'a:' .. id)
      new.px = old.ex -- messages for the placeholder count as messages for anybody
    else
      drop_work(old)
    end
    drop_histories(old)
    call('ZREM', B .. 'wk', id)
    call('UNLINK', old.k)
  else
    call('ZADD', B .. 'ix', 0, id)
  end
  if status == 0 then new.pz = 'h' end
  cache[id], dirty[id] = new, new
  new.w = { ex = execution, ev = '0', rv = new.rv, st = status, q = new.q, px = new.px,
    pz = new.pz }
  note_change(id)
  return new
end

-- Begins a generation with its start message, which comes before what a placeholder collected.
local function begin_with(id, record, status, execution, mid, at, control, body)
  local I = begin(id, record, status, execution)
  if not accept(I, mid, '', at, control, body) then return end
  local first = call('ZRANGE', B .. 'z:' .. id, 0, 0, 'WITHSCORES')
  if first[1] ~= mid then
    local before = tonumber(first[2]) - 1
    call('ZADD', B .. 'z:' .. id, before, mid)
    if control then call('ZADD', B .. 'c:' .. id, before, mid) end
  end
end

-- Delivers the message whose parts begin at ARGV[n]: id, target, execution, time, control, body,
-- and what it creates: record, status, execution.
local function deliver(n)
  local mid, id, execution, at = ARGV[n], ARGV[n + 1], ARGV[n + 2], tonumber(ARGV[n + 3])
  local control, body, record = ARGV[n + 4] == '1', ARGV[n + 5], ARGV[n + 6]
  local I = get(id)
  if record ~= '' then
    local status = tonumber(ARGV[n + 7])
    if not I or terminal(I) or (I.st == 0 and status ~= 0) then
      return begin_with(id, record, status, ARGV[n + 8], mid, at, control, body)
    end
    execution = ''
  end
  if I then accept(I, mid, execution, at, control, body) end
end
