-- Instances: one packed value each, loaded once per script and written by flush().
local NONE = string.rep(' ', 16)
local cache, dirty = {}, {}

local function get(id)
  local I = cache[id]
  if I ~= nil then return I end
  local raw = call('GET', B .. 'i:' .. id)
  I = false
  if raw then
    -- The first part is the version of this form.
    local _, ex, ev, rv, st, up, lt, ct, dl, pz, nd, nc, px, sg, sp, ib =
      cmsgpack.unpack(raw)
    I = {
      id = id,
      ex = ex, -- execution
      ev = ev, -- events in its history
      rv = rv, -- revision of the record
      st = st, -- status
      up = up, -- when the last turn was committed, as text
      lt = lt, -- token of the loan, or false
      ct = ct, -- token of the last commit, or false
      dl = dl, -- deliveries since then
      pz = pz, -- pause: h(eld) or d(elayed) and until when, or false
      nd = nd, -- delayed messages
      nc = nc, -- control messages in the inbox
      px = px, -- execution of the placeholder that was before, or false
      sg = sg, -- token of the commit whose staged parts are not all out yet, or false
      sp = sp, -- messages of the inbox that are kept in keys of their own
      ib = ib, -- the messages before them: id, value, id, value, ...
    }
  end
  cache[id] = I
  return I
end

local function changed(I) dirty[I.id] = I end

local function flush()
  for id, I in pairs(dirty) do
    call('SET', B .. 'i:' .. id, cmsgpack.pack(1, I.ex, I.ev, I.rv, I.st, I.up, I.lt, I.ct, I.dl,
      I.pz, I.nd, I.nc, I.px, I.sg, I.sp, I.ib))
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
  if not I.pz then return #I.ib > 0 or I.sp > 0 end
  local till = pause_end(I)
  return till and till <= now or I.nc > 0
end

-- A ready instance that is not on loan stands in `rd` at least once; more often does no harm.
local function push_ready(I)
  -- Whoever found the list empty waits for this.
  if call('RPUSH', B .. 'rd', I.id) == 1 then ring_for('t', B .. 'rd') end
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

-- Tells those who watch the record. Those who wait for the end only stand behind it with a zero.
local function note_change(id, ended)
  local told
  if ended then
    told = call('ZREM', B .. 'wt', id, id .. '\0')
  else
    told = call('ZREM', B .. 'wt', id)
  end
  if told > 0 then call('PUBLISH', B .. 'bell', 'w' .. id) end
end

-- Where the events of a generation are.
local function history_key(id, execution) return B .. 'h:' .. execution .. ':' .. id end
