local id, owner, now, replica, ticket = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local version, idle, life = ARGV[12], ARGV[13], ARGV[14]
local gives_way, gw_idle, gw_flight, gw_busy = ARGV[15] == '1', tonumber(ARGV[16]), ARGV[17] == '1', ARGV[18] == '1'
local g = generation(id)
local s = session(id, g)
local in_flight = flight(s)
local lives = redis.call('HGET', s, 'used') == '1' and not over(s, in_flight, now)
if lives and gives_way then
  local v = redis.call('HMGET', s, 'v', 't1', 'busy')
  local rests
  if in_flight > 0 then rests = gw_flight else rests = now - tonumber(v[2]) >= gw_idle end
  if rests and (gw_busy or v[3] ~= '1') and v[1] ~= '' and version ~= '' and v[1] ~= version
    and redis.call('HEXISTS', P .. 'stale', group_of(s)) == 1 then
    retire(id, g, now)
    g = g + 1
    s = session(id, g)
    in_flight = 0
    lives = false
  end
end
local member = id .. ':' .. g
if not lives then
  delist(s, member)
  redis.call('DEL', s)
  redis.call('HSET', s, 'su', ARGV[6], 'k', ARGV[7], 'n', ARGV[8], 'a', ARGV[9], 'c', ARGV[10], 'q', ARGV[11], 'v', version, 'i', idle,
    'm', life, 't0', ARGV[3], 'g', g, 'reached', 0, 'busy', 0, 'retired', 0)
end
redis.call('SET', P .. 'r:' .. replica, 1, 'PX', ARGV[19])
redis.call('HSET', s, 'used', 1, 't1', ARGV[3], 'f:' .. replica .. ':' .. ticket, 1)
redis.call('SET', P .. 'c:' .. id, g)
redis.call('ZADD', P .. 'o:' .. owner, now + tonumber(life) + SLACK, id)
for _, key in ipairs({ s, P .. 'c:' .. id, P .. 'o:' .. owner }) do keep(key, tonumber(life)) end
enlist(s, member, 1, now)
return { g, lives and 0 or 1, redis.call('HGET', s, 'v') }
