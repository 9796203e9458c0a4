-- ARGV: id, target, policy (1 replaces a terminal one), time, control, body, record, status,
-- execution. {0} created; {1, record, execution, events, revision, updated} exists.
local id, execution = ARGV[2], ARGV[9]
local I = get(id)
if I then
  if I.ex == execution and I.st ~= 0 then return { 0 } end
  if I.st ~= 0 and not (terminal(I) and ARGV[3] == '1') then
    return { 1, call('GET', B .. 'r:' .. id), I.ex, num(I.ev), num(I.rv), I.up }
  end
end
generation().begin_with(id, ARGV[7], tonumber(ARGV[8]), execution, ARGV[1], tonumber(ARGV[4]),
  ARGV[5] == '1', ARGV[6])
flush()
return { 0 }
