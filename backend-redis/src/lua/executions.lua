-- ARGV: instance. The generations whose history is kept, oldest first.
local ex = call('HGET', B .. 'i:' .. ARGV[1], 'ex')
if not ex then return {} end
local out = call('LRANGE', B .. 'g:' .. ARGV[1], 0, -1)
out[#out + 1] = ex
return out
