-- Instances: loaded once per script, changes kept aside and written by flush().
local NONE = string.rep(' ', 16)
local cache, dirty = {}, {}

local function get(id)
  local I = cache[id]
  if I ~= nil then return I end
  local k = B .. 'i:' .. id
  local r = call('HMGET', k, 'ex', 'ev', 'rv', 'st', 'lt', 'pz', 'q', 'dl', 'nd', 'px', 'ct')
  I = r[1] and {
    id = id, k = k, ex = r[1], ev = r[2], rv = tonumber(r[3]), st = tonumber(r[4]), lt = r[5],
    pz = r[6], q = r[7], dl = tonumber(r[8] or 0), nd = tonumber(r[9] or 0), px = r[10],
    ct = r[11], w = {},
  }
  cache[id] = I
  return I
end

-- Sets a field; false removes it.
local function set(I, field, value)
  I[field] = value
  I.w[field] = value
  dirty[I.id] = I
end

local function flush()
  for _, I in pairs(dirty) do
    local put, del = {}, {}
    for field, value in pairs(I.w) do
      if value then
        put[#put + 1] = field
        put[#put + 1] = type(value) == 'number' and num(value) or value
      else
        del[#del + 1] = field
      end
    end
    if #put > 0 then call('HSET', I.k, unpack(put)) end
    if #del > 0 then call('HDEL', I.k, unpack(del)) end
    I.w = {}
  end
  dirty = {}
end

local function terminal(I) return I.st >= 6 end

-- When the pause of an instance ends: nil without pause, or when only a control message ends it.
local function pause_end(I) return I.pz and tonumber(string.sub(I.pz, 2)) or nil end

local function held(I)
  if not I.pz or string.sub(I.pz, 1, 1) ~= 'h' then return false end
  local till = pause_end(I)
  return not till or till > now
end

local function is_ready(I)
  if I.lt or terminal(I) then return false end
  if not I.pz then return call('EXISTS', B .. 'z:' .. I.id) == 1 end
  local till = pause_end(I)
  return till and till <= now or call('EXISTS', B .. 'c:' .. I.id) == 1
end

local function make_ready(I)
  if not I.q and is_ready(I) then
    set(I, 'q', '1')
    -- Whoever found the list empty waits for this.
    if call('RPUSH', B .. 'rd', I.id) == 1 then ring('t') end
  end
end

-- Ends the loan of an instance; a pause goes on.
local function end_loan(I)
  set(I, 'lt', false)
  local till = pause_end(I)
  if till and till > now then
    schedule(B .. 'wk', till, I.id, 't')
  else
    call('ZREM', B .. 'wk', I.id)
  end
end

-- Tells those who watch the record.
local function note_change(id)
  if call('ZREM', B .. 'wt', id) == 1 then call('PUBLISH', B .. 'bell', 'w' .. id) end
end
