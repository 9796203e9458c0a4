-- ARGV: instance, token, delay. 0 done, 1 lost.
local I = get(ARGV[1])
if not I or I.lt ~= ARGV[2] then return 1 end
local delay = tonumber(ARGV[3])
-- A hold goes on as it was; it is stricter than a delay.
if delay > 0 and (not I.pz or string.sub(I.pz, 1, 1) == 'd') then
  I.pz = 'd' .. num(now + delay)
end
end_loan(I)
make_ready(I)
flush()
return 0
