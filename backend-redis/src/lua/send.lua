-- ARGV: the nine parts of a message as deliver() takes them, and how many messages an inbox may hold.
-- 0 accepted, 1 no instance, 2 terminal or another generation, 3 inbox full.
local I = get(ARGV[2])
if ARGV[7] == '' then
  if not I then return 1 end
  if terminal(I) or (ARGV[3] ~= '' and ARGV[3] ~= I.ex) then return 2 end
  if ARGV[5] ~= '1' and ARGV[3] == ''
    and #I.ib / 2 + I.sp >= tonumber(ARGV[10]) and not find_near(I, ARGV[1]) then
    local known = far_value(I, ARGV[1])
    if not known or string.sub(known, 1, 1) == 'd' then return 3 end
  end
end
deliver(unpack(ARGV, 1, 9))
flush()
return 0
