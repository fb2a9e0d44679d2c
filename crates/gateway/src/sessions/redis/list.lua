local owner, after, now, most, found = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], {}
local ids = call('ZRANGEBYSCORE', P .. 'o:' .. owner, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
for at = 1, #ids, 2 do
  local x = load(session(ids[at], generation(ids[at])))
  if not x then
    drop(owner, ids[at])
  elseif x.used == '1' and not over(x, now) then
    found[#found + 1] = describe(x)
  end
  after = ids[at + 1]
end
return { #ids / 2, string.format('%.0f', tonumber(after)), found }
