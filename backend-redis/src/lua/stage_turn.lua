-- Puts parts of a large turn aside, for a commit to come: a script is to block the server for a few
-- milliseconds at most. ARGV: instance, token, execution, events, parts put aside before, kind
-- (t(ask), m(essage), o(ther partition's message) or c(ancelled)), parts of the kind.
-- 0 done, 1 the loan is lost, 2 the instance is elsewhere, 3 parts are missing, 4 committed already.
local I = get(ARGV[1])
if not I then return 1 end
if I.lt ~= ARGV[2] then return I.ct == ARGV[2] and 4 or 1 end
if I.ex ~= ARGV[3] or I.ev ~= tonumber(ARGV[4]) then return 2 end
local key, width = B .. 's:' .. ARGV[2], ({ t = 5, m = 9, o = 10, c = 1 })[ARGV[6]]
if ARGV[5] == '0' then
  call('UNLINK', key)
elseif call('LLEN', key) ~= tonumber(ARGV[5]) then
  return 3
end
for at = 7, #ARGV, width do
  local part = { ARGV[6], unpack(ARGV, at, at + width - 1) }
  call('RPUSH', key, cmsgpack.pack(part))
end
-- It is kept when it is committed; otherwise nobody will ask for it again.
call('EXPIRE', key, 3600)
return 0
