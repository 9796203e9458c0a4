-- ARGV: where to begin as ZRANGE BYLEX takes it, most ids. The ids in order.
return call('ZRANGE', B .. 'ix', ARGV[1], '+', 'BYLEX', 'LIMIT', 0, tonumber(ARGV[2]))
