-- How generations begin and end. Made when it is first wanted, because whatever a script makes ready
-- costs each of its calls, and most neither begin nor end one.
local generation_made
local function generation()
  if generation_made then return generation_made end

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

  generation_made = {
    begin_with = begin_with,
    drop_stale = drop_stale,
    drop_work = drop_work,
    drop_histories = drop_histories,
  }
  return generation_made
end

-- Delivers a message to whoever has the id, creating an instance if it says so.
local function deliver(mid, id, execution, at, control, body, record, status, new)
  local I = get(id)
  if record ~= '' then
    status = tonumber(status)
    if not I or terminal(I) or (I.st == 0 and status ~= 0) then
      return generation().begin_with(id, record, status, new, mid, tonumber(at), control == '1', body)
    end
    execution = ''
  end
  if I then accept(I, mid, execution, tonumber(at), control == '1', body) end
end
