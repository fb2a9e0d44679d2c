local id, g, now, last, anyway = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5] == '1'
local s = session(id, g)
if redis.call('EXISTS', s) == 0 then return 0 end
local v = redis.call('HMGET', s, 'retired', 'used', 't1')
local rests = flight(s) == 0
if v[1] == '1' then return (rests or anyway) and 1 or 0 end
if generation(id) ~= g or v[2] ~= '1' then return 0 end
if not anyway and not (rests and v[3] == last) then return 0 end
retire(id, g, now)
return 1
