-- Removes bit by bit what was put away under other names; once per script.
local swept = false

local function sweep()
  if swept then return end
  swept = true

  -- Delayed messages of an older generation; goes through the hash from call to call.
  local function sweep_stale(cursor, id)
    local I, key = get(id), B .. 'm:' .. id
    if not I or terminal(I) then return '0' end
    local found = call('HSCAN', key, cursor, 'COUNT', 100)
    local fields, timers = {}, {}
    for n = 1, #found[2], 2 do
      local mid, v = found[2][n], found[2][n + 1]
      if string.sub(v, 1, 1) == 'd' and is_stale(I, v) then
        fields[#fields + 1] = mid
        timers[#timers + 1] = string.sub(v, 20, 35) .. mid .. id
      end
    end
    if #fields > 0 then
      call('ZREM', B .. 'tm', unpack(timers))
      call('HDEL', key, unpack(fields))
      I.nd = I.nd - #fields
      changed(I)
    end
    return found[1]
  end

  -- Messages of an ended generation.
  local function sweep_messages(name, id)
    local key = B .. name
    local found = call('HRANDFIELD', key, 100, 'WITHVALUES')
    local fields, timers = {}, {}
    for n = 1, #found, 2 do
      fields[#fields + 1] = found[n]
      if string.sub(found[n + 1], 1, 1) == 'd' then
        timers[#timers + 1] = string.sub(found[n + 1], 20, 35) .. found[n] .. id
      end
    end
    if #timers > 0 then call('ZREM', B .. 'tm', unpack(timers)) end
    if #fields > 0 then call('HDEL', key, unpack(fields)) end
    return #fields < 100
  end

  local name = call('LINDEX', B .. 'gc', 0)
  if not name then
    call('ZREM', B .. 'tm', '#')
    return
  end
  local kind, id, done = string.sub(name, 1, 1), string.sub(name, 20), true
  if kind == 's' then
    local cursor = tonumber(sweep_stale(num(tonumber(string.sub(name, 3, 18))), id))
    if cursor > 0 then call('RPUSH', B .. 'gc', 's:' .. pad(cursor) .. ':' .. id) end
  elseif kind == 'x' then
    done = sweep_messages(name, id)
  else
    local executions = call('LPOP', B .. name, 100) or {}
    done = #executions < 100
    for n, execution in ipairs(executions) do executions[n] = history_key(id, execution) end
    if #executions > 0 then call('UNLINK', unpack(executions)) end
  end
  if done then call('LPOP', B .. 'gc') end
end
