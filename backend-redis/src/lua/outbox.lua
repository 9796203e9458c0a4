-- Messages to other partitions. They wait in a list per partition, each behind 16 digits that rise
-- from message to message: the target takes only what is above what it took last, so that none
-- comes twice, however late. The digits follow the clock, so that they rise even when a failover
-- has taken the last ones back.
--
-- Gives two functions: one collects a message, the other writes what was collected.
local function outbox()
  local posted, post_order = {}, {}

  -- Collects a message: the partition, and the nine parts that deliver() takes.
  local function post(dest, ...)
    if not posted[dest] then
      posted[dest] = {}
      post_order[#post_order + 1] = dest
    end
    local entries = posted[dest]
    entries[#entries + 1] = cmsgpack.pack(...)
  end

  -- Writes what was collected.
  local function flush_posts()
    for _, dest in ipairs(post_order) do
      local number = math.max(tonumber(call('HGET', B .. 'on', dest) or 0), now - 1)
      local entries = posted[dest]
      for n, entry in ipairs(entries) do entries[n] = pad(number + n) .. entry end
      call('HSET', B .. 'on', dest, num(number + #entries))
      for n = 1, #entries, 500 do
        call('RPUSH', B .. 'o:' .. dest, unpack(entries, n, math.min(n + 499, #entries)))
      end
      call('ZADD', B .. 'od', 'NX', now, dest)
    end
  end

  return post, flush_posts
end
