-- ARGV: partition they come from, messages as they stood in its outbox; one without content is
-- only counted. Number of the last one taken.
local from = ARGV[1]
local last = tonumber(call('HGET', B .. 'oi', from) or 0)
local fresh, number = {}, last
for n = 2, #ARGV do
  local this = tonumber(string.sub(ARGV[n], 1, 16))
  if this > number then
    number = this
    if #ARGV[n] > 16 then
      -- What cannot be read or delivered shows before anything is written.
      local parts = { cmsgpack.unpack(string.sub(ARGV[n], 17)) }
      get(parts[2])
      fresh[#fresh + 1] = parts
    end
  end
end
if number == last then return num(last) end
call('HSET', B .. 'oi', from, num(number))
for _, parts in ipairs(fresh) do deliver(unpack(parts, 1, 9)) end
flush()
return num(number)
