-- ARGV: partitions if nobody has said how many yet. How many there are. To be called on the first.
-- A script that may not do something fails in its midst; so all that scripts do is asked for here.
local missing = {}
for name in string.gmatch('exists expire get hdel hget hgetall hlen hmget hrandfield hscan hset '
  .. 'hsetnx incr lindex llen lpop lpush lrange lrem ltrim persist publish rename rpop rpush set '
  .. 'unlink zadd zrange zrem zscore', '%a+') do
  local key = B .. (name == 'publish' and 'bell' or 'x')
  if not redis.acl_check_cmd(name, key, key, key) then missing[#missing + 1] = '+' .. name end
end
if #missing > 0 then
  return redis.error_reply('NOPERM for ' .. B .. '*: ' .. table.concat(missing, ' '))
end
local have = call('HGET', B .. 'hub', 'partitions')
if have then return tonumber(have) end
-- A hub from before this was written down has one.
local count = call('EXISTS', B .. 'ix') == 1 and '1' or ARGV[1]
call('HSET', B .. 'hub', 'format', '1', 'partitions', count)
return tonumber(count)
