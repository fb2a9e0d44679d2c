local place, version, count = ARGV[1], ARGV[2], 0
local key = P .. 'x:' .. place
local before = call('GET', key)
if before then
  local of, stopped = string.match(before, '^(%S*) (%d+)$')
  if of == version then count = whole(stopped) or 0 end
end
count = count + tonumber(ARGV[3])
if count > 0 or before then
  -- A month after the last stop its count is of no use to anybody.
  redis.call('SET', key, version .. ' ' .. string.format('%.0f', count), 'PX', MONTH)
  call('ZADD', P .. 'groups', 0, 'p/' .. place)
end
return count
