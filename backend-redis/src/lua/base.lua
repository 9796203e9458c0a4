-- What every script begins with. KEYS[1] is the start of all keys of the partition; it holds the
-- hash tag, so every key made from it lives in the same slot.
local B = KEYS[1]
local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function num(n) return string.format('%d', n) end
local function pad(n) return string.format('%016d', n) end

-- Rings a bell once per script; the answer and the ring leave the server together.
local rung = {}
local function ring(bell)
  if not rung[bell] then
    rung[bell] = true
    call('PUBLISH', B .. 'bell', bell)
  end
end

-- Rings because a list that was empty has something now. A script that takes from the list
-- afterwards rings only for what it leaves there.
local later
local function ring_for(bell, list)
  if later then later[#later + 1] = { bell, list } else ring(bell) end
end

-- The earliest score of a schedule, if it has any.
local function earliest(key)
  return tonumber(call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
end

-- Adds to a schedule. Whoever waits for a later time has to be told.
local function schedule(key, at, member, bell)
  local first = earliest(key)
  call('ZADD', key, at, member)
  if not first or at < first then ring(bell) end
end

-- What has come due in a schedule. Bounded; what is left is due at once by next_due().
local function due(key)
  local first = earliest(key)
  if not first or first > now then return {} end
  return call('ZRANGE', key, '-inf', now, 'BYSCORE', 'LIMIT', 0, 64)
end

-- Microseconds from now until the first of two schedules, -1 when both are empty.
local function next_due(one, two)
  local a, b = earliest(one), earliest(two)
  local at = a and b and math.min(a, b) or a or b
  return at and num(math.max(at - now, 0)) or '-1'
end
