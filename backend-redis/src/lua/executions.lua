-- ARGV: instance. The generations whose history is kept, oldest first.
local I = get(ARGV[1])
if not I then return {} end
local out = call('LRANGE', B .. 'g:' .. ARGV[1], 0, -1)
out[#out + 1] = I.ex
return out
