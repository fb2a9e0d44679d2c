local function all(name)
  local pairs, found = redis.call('HGETALL', P .. name), {}
  for at = 1, #pairs, 2 do found[pairs[at]] = pairs[at + 1] end
  return found
end
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
for place, stopped in pairs(all('stopped')) do
  found[#found + 1] = { place .. string.match(stopped, '^(%S*)'), 0, 0 }
end
return found
