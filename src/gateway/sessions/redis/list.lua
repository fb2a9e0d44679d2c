local owner, now, found = P .. 'o:' .. ARGV[1], tonumber(ARGV[2]), {}
redis.call('ZREMRANGEBYSCORE', owner, '-inf', now)
for _, id in ipairs(redis.call('ZRANGE', owner, 0, -1)) do
  local s = session(id, generation(id))
  if redis.call('HGET', s, 'used') == '1' and not over(s, flight(s), now) then found[#found + 1] = describe(s) end
end
return found
