-- Brings out some of the parts that a committed turn has put aside. Until all are out, no further
-- turn of the instance is handed out, so they are all out before anybody can tell.
-- ARGV: token, instance, how many. The number of parts that are left.
local token, id = ARGV[1], ARGV[2]
local key, I = B .. 's:' .. token, get(id)
-- When it is another generation by now, only what goes to others is still wanted.
local own = I and I.sg == token and not terminal(I)
local post, flush_posts = outbox()
local parts = call('LRANGE', key, 0, tonumber(ARGV[3]) - 1)
for _, packed in ipairs(parts) do
  local p = cmsgpack.unpack(packed)
  if p[1] == 'm' and p[3] ~= id then
    deliver(unpack(p, 2, 10))
  elseif p[1] == 'o' then
    post(unpack(p, 2, 11))
  elseif own and p[1] == 'm' then
    accept_own(I, p[2], unpack(p, 4, 8))
  elseif own and p[1] == 't' then
    add_task(I, unpack(p, 2, 6))
  elseif own then
    cancel(I, p[2])
  end
end
flush_posts()
call('LTRIM', key, #parts, -1)
local left = call('LLEN', key)
if left == 0 then
  call('ZREM', B .. 'pb', token .. id)
  if I and I.sg == token then
    I.sg = false
    changed(I)
    make_ready(I)
  end
end
flush()
return left
