-- Instances: one packed value each, loaded once per script and written by flush().
local NONE = string.rep(' ', 16)
local cache, dirty = {}, {}

local function get(id)
  local I = cache[id]
  if I ~= nil then return I end
  local raw = call('GET', B .. 'i:' .. id)
  if raw then
    local v = cmsgpack.unpack(raw)
    I = {
      id = id,
      ex = v[2], -- execution
      ev = v[3], -- events in its history
      rv = v[4], -- revision of the record
      st = v[5], -- status
      up = v[6], -- when the last turn was committed, as text
      lt = v[7], -- token of the loan, or false
      ct = v[8], -- token of the last commit, or false
      dl = v[9], -- deliveries since then
      pz = v[10], -- pause: h(eld) or d(elayed) and until when, or false
      nd = v[11], -- delayed messages
      nc = v[12], -- control messages in the inbox
      px = v[13], -- execution of the placeholder that was before, or false
      sg = v[14], -- token of the commit whose staged parts are not all out yet, or false
    }
  else
    I = false
  end
  cache[id] = I
  return I
end

local function changed(I) dirty[I.id] = I end

local function flush()
  for id, I in pairs(dirty) do
    -- The first part is the version of this form.
    call('SET', B .. 'i:' .. id, cmsgpack.pack({ 1, I.ex, I.ev, I.rv, I.st, I.up, I.lt, I.ct, I.dl,
      I.pz, I.nd, I.nc, I.px, I.sg }))
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
  if I.lt or I.sg or terminal(I) then return false end
  if not I.pz then return call('EXISTS', B .. 'z:' .. I.id) == 1 end
  local till = pause_end(I)
  return till and till <= now or I.nc > 0
end

-- A ready instance that is not on loan stands in `rd` at least once; more often does no harm.
local function push_ready(I)
  -- Whoever found the list empty waits for this.
  if call('RPUSH', B .. 'rd', I.id) == 1 then ring('t') end
end

local function make_ready(I)
  if is_ready(I) then push_ready(I) end
end

-- Ends the loan of an instance; a pause goes on.
local function end_loan(I)
  I.lt = false
  changed(I)
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
