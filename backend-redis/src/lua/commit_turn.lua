-- ARGV, single values first: see `turn_args` in scripts.rs, which is its mirror.
-- 0 applied, 1 the loan is lost, 2 the instance is elsewhere.
local id, token, ex = ARGV[1], ARGV[2], ARGV[3]
local I = get(id)
if not I then return 1 end
if I.lt ~= token then return I.ct == token and 0 or 1 end
if I.ex ~= ex or I.ev ~= ARGV[4] then return 2 end

-- Everything is checked: from here on nothing may fail. A full server refuses the first write.
call('HSET', I.k, 'ct', token, 'up', ARGV[5])
set(I, 'lt', false)
set(I, 'dl', false)
I.dl = 0
call('ZREM', B .. 'wk', id)
if I.pz then set(I, 'pz', false) end
local mk, zk, ck = B .. 'm:' .. id, B .. 'z:' .. id, B .. 'c:' .. id

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
  if call('ZREM', zk, unpack(mids)) == #mids then
    call('HDEL', mk, unpack(mids))
  else
    -- Some were gone already; a timer of the same id must not go with them.
    for _, mid in ipairs(mids) do
      local v = call('HGET', mk, mid)
      if v and string.sub(v, 1, 1) == 'i' then call('HDEL', mk, mid) end
    end
  end
  call('ZREM', ck, unpack(mids))
end)

if ARGV[6] ~= '0' then
  call('RPUSH', history_key(id, ex), pad(I.ev) .. ARGV[7])
  set(I, 'ev', num(I.ev + ARGV[6]))
end
if ARGV[8] ~= '' then
  call('SET', B .. 'r:' .. id, ARGV[8])
  set(I, 'rv', I.rv + 1)
  set(I, 'st', tonumber(ARGV[9]))
  if I.ex ~= ARGV[10] then set(I, 'ex', ARGV[10]) end
  note_change(id)
end
if ARGV[11] ~= '' then
  local new = ARGV[12]
  if ARGV[11] == '2' then
    call('RPUSH', B .. 'g:' .. id, ex)
  else
    call('UNLINK', history_key(id, ex))
  end
  call('RPUSH', history_key(id, new), pad(0) .. ARGV[14])
  set(I, 'ex', new)
  set(I, 'ev', ARGV[13])
  call('UNLINK', B .. 'a:' .. id)
  drop_delayed(I, function(v)
    return string.sub(v, 3, 3) == 'x' and string.sub(v, 4, 19) ~= new
  end)
end

-- Tasks: id, execution, time, queue, body.
local at = 20
for _ = 1, tonumber(ARGV[19]) do
  local tid, queue = ARGV[at], ARGV[at + 3]
  local body = pad(now) .. ARGV[at + 1] .. string.format('%03d', #queue) .. queue .. ARGV[at + 4]
  if not terminal(I) and call('HSETNX', B .. 'a:' .. id, 'b' .. tid, body) == 1 then
    enqueue_at(tonumber(ARGV[at + 2]), tid, id, body)
  end
  at = at + 5
end

-- Messages to itself come before those to others.
local messages = {}
for _ = 1, tonumber(ARGV[at]) do
  messages[#messages + 1] = at + 1
  at = at + 9
end
for _, n in ipairs(messages) do
  if ARGV[n + 1] == id then
    local execution = ARGV[n + 6] == '' and ARGV[n + 2] or ''
    accept(I, ARGV[n], execution, tonumber(ARGV[n + 3]), ARGV[n + 4] == '1', ARGV[n + 5])
  end
end

-- Last, because a turn may give up what it has just begun.
in_pieces(ARGV[18], function(mids)
  for _, mid in ipairs(mids) do
    local v = call('HGET', mk, mid)
    if v and string.sub(v, 1, 1) == 'd' then
      call('ZREM', B .. 'tm', string.sub(v, 20, 35) .. mid .. id)
      call('HDEL', mk, mid)
      set(I, 'nd', I.nd - 1)
    elseif not drop_task(mid, id) and v then
      call('ZREM', zk, mid)
      call('ZREM', ck, mid)
      call('HDEL', mk, mid)
    end
  end
end)

for _, n in ipairs(messages) do
  if ARGV[n + 1] ~= id then deliver(n) end
end
if ARGV[15] ~= '' then
  local rid = string.sub(ARGV[15], 1, 24)
  if call('HSETNX', B .. 'kb', rid, string.sub(ARGV[15], 25)) == 1 then
    if call('RPUSH', B .. 'kq', rid) == 1 then ring('k') end
  end
end

if terminal(I) then
  drop_work(I)
  for _, field in ipairs({ 'q', 'nd', 'px' }) do set(I, field, false) end
else
  if ARGV[16] ~= '' then
    set(I, 'pz', ARGV[16])
    local till = pause_end(I)
    if till then schedule(B .. 'wk', till, id, 't') end
  end
  make_ready(I)
end
flush()
return 0
