local list, now, found = P .. ARGV[1], tonumber(ARGV[2]), {}
local members = call('ZRANGE', list, ARGV[3], ARGV[4])
for _, member in ipairs(members) do
  local x = load(P .. 's:' .. member)
  if x and not over(x, now) then
    found[#found + 1] = describe(x)
  else
    redis.call('ZREM', list, member)
  end
end
return { #members, found }
