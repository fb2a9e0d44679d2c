local now, stale, since = ARGV[1], tonumber(ARGV[2]), {}
for at = 3, #ARGV do
  if at - 2 <= stale then
    redis.call('HSETNX', P .. 'stale', ARGV[at], now)
    since[at - 2] = redis.call('HGET', P .. 'stale', ARGV[at])
  else
    redis.call('HDEL', P .. 'stale', ARGV[at])
  end
end
return since
