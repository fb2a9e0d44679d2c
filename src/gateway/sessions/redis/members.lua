local list, now, found = P .. ARGV[1], tonumber(ARGV[2]), {}
local members = redis.call('ZRANGE', list, ARGV[3], ARGV[4])
for _, member in ipairs(members) do
  local s = P .. 's:' .. member
  if redis.call('EXISTS', s) == 1 and not over(s, flight(s), now) then
    found[#found + 1] = describe(s)
  else
    redis.call('ZREM', list, member)
  end
end
return { #members, found }
