-- ARGV, single values first: see `turn_args` in scripts.rs, which is its mirror.
-- 0 applied, 1 the loan is lost, 2 the instance is elsewhere, 3 staged parts are missing.
local id, token, ex = ARGV[1], ARGV[2], ARGV[3]
local I = get(id)
if not I then return 1 end
if I.lt ~= token then return I.ct == token and 0 or 1 end
if I.ex ~= ex or I.ev ~= tonumber(ARGV[4]) then return 2 end
local staged, sk = tonumber(ARGV[19]), B .. 's:' .. token
if staged > 0 and call('LLEN', sk) ~= staged then return 3 end

-- Everything is checked: from here on nothing may fail. A full server refuses the first write,
-- which is the instance itself.
local mk, zk, ck = B .. 'm:' .. id, B .. 'z:' .. id, B .. 'c:' .. id
local first_event, new = I.ev, ARGV[11] ~= '' and ARGV[12]
I.ct, I.up, I.dl, I.pz = token, ARGV[5], 0, false
if ARGV[8] ~= '' then
  I.rv, I.st, I.ex = I.rv + 1, tonumber(ARGV[9]), ARGV[10]
end
I.ev = I.ev + tonumber(ARGV[6])
if new then I.ex, I.ev = new, tonumber(ARGV[13]) end
I.lt, I.sg = false, staged > 0 and token
changed(I)
flush()
if I.sg then
  call('PERSIST', sk)
  call('ZADD', B .. 'pb', now, token .. id)
end
-- While the turn is being applied the instance counts as on loan.
I.lt = token
call('ZREM', B .. 'wk', id)

-- The ids in a text of 24 bytes each, a few hundred at a time.
local function in_pieces(text, each)
  local piece = {}
  for at = 1, #text, 24 do
    piece[#piece + 1] = string.sub(text, at, at + 23)
    if #piece == 500 then
      each(piece)
      piece = {}
    end
  end
  if #piece > 0 then each(piece) end
end

in_pieces(ARGV[17], function(mids)
  local wanted = {}
  for _, mid in ipairs(mids) do wanted[mid] = true end
  drop_near(I, function(mid)
    local is_wanted = wanted[mid]
    wanted[mid] = nil
    return is_wanted
  end)
  if I.sp == 0 or not next(wanted) then return end
  -- Mostly the oldest far messages are consumed. What came out with them goes back, in order.
  local back, gone = {}, {}
  for _, mid in ipairs(call('LPOP', zk, #mids) or {}) do
    if wanted[mid] then
      wanted[mid] = nil
      gone[#gone + 1] = mid
    else
      table.insert(back, 1, mid)
    end
  end
  if #back > 0 then call('LPUSH', zk, unpack(back)) end
  for mid in pairs(wanted) do
    if call('LREM', zk, 1, mid) == 1 then gone[#gone + 1] = mid end
  end
  if #gone > 0 then call('HDEL', mk, unpack(gone)) end
  I.sp = I.sp - #gone
  if I.nc > 0 then
    for _, mid in ipairs(gone) do I.nc = I.nc - call('LREM', ck, 1, mid) end
  end
  changed(I)
end)

if ARGV[6] ~= '0' then call('RPUSH', history_key(id, ex), pad(first_event) .. ARGV[7]) end
if ARGV[8] ~= '' then
  call('SET', B .. 'r:' .. id, ARGV[8])
  note_change(id, terminal(I))
end
if new then
  if ARGV[11] == '2' then
    call('RPUSH', B .. 'g:' .. id, ex)
  else
    call('UNLINK', history_key(id, ex))
  end
  call('RPUSH', history_key(id, new), pad(0) .. ARGV[14])
  call('UNLINK', B .. 'a:' .. id)
  generation().drop_stale(I)
end

local at = 21
for _ = 1, tonumber(ARGV[20]) do
  add_task(I, unpack(ARGV, at, at + 4))
  at = at + 5
end

-- Messages to itself come before those to others.
local messages = at + 1
for n = messages, messages + 9 * tonumber(ARGV[at]) - 1, 9 do
  if ARGV[n + 1] == id then accept_own(I, ARGV[n], unpack(ARGV, n + 2, n + 6)) end
end
-- Last, because a turn may give up what it has just begun.
in_pieces(ARGV[18], function(mids)
  for _, mid in ipairs(mids) do cancel(I, mid) end
end)
local others = messages + 9 * tonumber(ARGV[at])
for n = messages, others - 1, 9 do
  if ARGV[n + 1] ~= id then deliver(unpack(ARGV, n, n + 8)) end
end
if others <= #ARGV then
  local post, flush_posts = outbox()
  for n = others, #ARGV, 10 do post(unpack(ARGV, n, n + 9)) end
  flush_posts()
end
if ARGV[15] ~= '' then
  local rid = string.sub(ARGV[15], 1, 24)
  if call('HSETNX', B .. 'kb', rid, string.sub(ARGV[15], 25)) == 1 then
    if call('RPUSH', B .. 'kq', rid) == 1 then ring('k') end
  end
end

I.lt = false
if terminal(I) then
  generation().drop_work(I)
  I.px = false
  changed(I)
else
  if ARGV[16] ~= '' then
    I.pz = ARGV[16]
    changed(I)
    local till = pause_end(I)
    if till then schedule(B .. 'wk', till, id, 't') end
  end
  make_ready(I)
end
flush()
return 0
