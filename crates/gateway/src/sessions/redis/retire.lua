local id, g, now, last, anyway = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local x = load(session(id, g))
if not x then return 0 end
local rests = x.flight == 0
if x.retired == '1' then return (rests or anyway) and 1 or 0 end
if generation(id) ~= g or x.used ~= '1' then return 0 end
if not anyway and not (rests and x.t1 == last) then return 0 end
retire(x, id, now)
return 1
