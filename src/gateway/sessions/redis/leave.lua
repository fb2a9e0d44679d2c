local id, now, field = ARGV[1], tonumber(ARGV[3]), 'f:' .. ARGV[4] .. ':' .. ARGV[5]
local g = tonumber(ARGV[2])
if not g then
  g = generation(id)
  -- The session that was entered may have been retired since.
  if g > 0 and redis.call('HEXISTS', session(id, g), field) == 0 then g = g - 1 end
end
local s, member = session(id, g), id .. ':' .. g
if redis.call('HDEL', s, field) == 0 then return 0 end
redis.call('HSET', s, 't1', ARGV[3])
local retired = redis.call('HGET', s, 'retired') == '1'
if not retired then
  if ARGV[7] ~= '' then redis.call('HSET', s, 'busy', ARGV[7]) end
  if ARGV[6] == '1' then redis.call('HSET', s, 'reached', 1) end
end
local in_flight = flight(s)
if in_flight == 0 and not retired and redis.call('HGET', s, 'reached') ~= '1' then
  redis.call('HSET', s, 'used', 0)
  delist(s, member)
else
  enlist(s, member, in_flight, now)
end
return 1
