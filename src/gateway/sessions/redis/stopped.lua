local version, count = ARGV[2], 0
local before = redis.call('HGET', P .. 'stopped', ARGV[1])
if before then
  local of, stopped = string.match(before, '^(%S*) (%d+)$')
  if of == version then count = tonumber(stopped) end
end
count = count + tonumber(ARGV[3])
if count > 0 or before then redis.call('HSET', P .. 'stopped', ARGV[1], version .. ' ' .. count) end
return count
