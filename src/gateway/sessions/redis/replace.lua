local id, g, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local s = session(id, g)
if generation(id) ~= g or redis.call('EXISTS', s) == 0 then return 0 end
succeed(id, g, now)
delist(s, id .. ':' .. g)
redis.call('DEL', s)
return 1
