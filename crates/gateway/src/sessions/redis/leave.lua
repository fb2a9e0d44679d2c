local replica, ticket, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local tickets, field = P .. 't:' .. replica, 'f:' .. replica
local member = call('HGET', tickets, ticket)
if not member then return 0 end
redis.call('HDEL', tickets, ticket)
local s = P .. 's:' .. member
local x = load(s)
if not x then return 0 end
local before = tonumber(redis.call('HGET', s, field) or '0')
if before <= 1 then redis.call('HDEL', s, field) else redis.call('HINCRBY', s, field, -1) end
if before > 0 then x.flight = x.flight - alive(replica) end
redis.call('HSET', s, 't1', ARGV[3])
x.t1 = now
if x.retired ~= '1' then
  if ARGV[5] ~= '' then
    redis.call('HSET', s, 'busy', ARGV[5])
    x.busy = ARGV[5]
  end
  if ARGV[4] == '1' then
    redis.call('HSET', s, 'reached', 1)
    x.reached = '1'
  end
end
if x.flight == 0 and x.retired ~= '1' and x.reached ~= '1' then
  redis.call('HSET', s, 'used', 0)
  delist(x, member)
else
  enlist(x, member, now)
end
return 1
