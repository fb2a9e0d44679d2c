local now, found = ARGV[1], {}
for _, group in ipairs(redis.call('SMEMBERS', P .. 'groups')) do
  local counts = {}
  for at, kind in ipairs({ 'g:', 'q:' }) do
    redis.call('ZREMRANGEBYSCORE', P .. kind .. group, '-inf', now)
    counts[at] = redis.call('ZCARD', P .. kind .. group)
  end
  if counts[1] + counts[2] == 0 then
    redis.call('SREM', P .. 'groups', group)
    redis.call('HDEL', P .. 'stale', group)
  else
    found[#found + 1] = { group, counts[1], counts[2] }
  end
end
return found
