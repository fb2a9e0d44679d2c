local id, g, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if generation(id) ~= g then return 0 end
local x = load(session(id, g))
if not x then return 0 end
succeed(x, id, now)
delist(x, id .. ':' .. g)
redis.call('UNLINK', x.key)
return 1
