local id, owner, now, replica, ticket = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local version, idle, life = ARGV[12], ARGV[13], ARGV[14]
local gives_way, gw_idle, gw_flight, gw_busy = ARGV[15] == '1', tonumber(ARGV[16]), ARGV[17] == '1', ARGV[18] == '1'
local share = { caller = tonumber(ARGV[20]), namespace = tonumber(ARGV[21]), all = tonumber(ARGV[22]) }
local caller, namespace = string.match(owner, '^[^/]+/([^/]+)/([^/]+)$')
local mine = P .. 'o:' .. owner

local function serial()
  local next = math.max((number(call('GET', P .. 'serial')) or 0) + 1, now * 1000)
  next = string.format('%.0f', next)
  redis.call('SET', P .. 'serial', next, 'PX', LIFE + 2 * SLACK)
  return next
end

local function counted(key, member) return tonumber(call('ZSCORE', P .. key, member) or '0') or 0 end

-- The owner is there for as long as its conversations. Once a minute is often enough to say so.
local function stays()
  local ends = now + tonumber(life) + SLACK + MINUTE
  local before = tonumber(call('ZSCORE', P .. 'owners', owner) or '0')
  if before + MINUTE > ends then return end
  call('ZADD', P .. 'owners', string.format('%.0f', ends), owner)
  for _, key in ipairs({ 'w', 'w:' .. namespace, 'v:' .. caller, 'v:' .. caller .. '/' .. namespace, 'n', 'owners', 'stale' }) do
    redis.call('PEXPIRE', P .. key, math.max(tonumber(life), LIFE) + 2 * SLACK)
  end
  redis.call('PEXPIRE', P .. 'groups', MONTH)
end

-- Owners of whom nothing is left, and the oldest conversations of this one of which nothing is left.
local function clear()
  for _, gone in ipairs(call('ZRANGEBYSCORE', P .. 'owners', '-inf', now, 'LIMIT', 0, STEPS)) do
    redis.call('ZREM', P .. 'owners', gone)
    redis.call('UNLINK', P .. 'o:' .. gone)
    local whose = string.match(gone, '^[^/]+/([^/]+)/[^/]+$')
    local left = whose and counted('v:' .. whose, gone) or 0
    if left > 0 then count(gone, -left) end
  end
  for _, oldest in ipairs(call('ZRANGE', mine, 0, STEPS - 1)) do
    if redis.call('EXISTS', session(oldest, generation(oldest))) == 0 then drop(owner, oldest) end
  end
end

-- Whose oldest conversation goes, as the key of the owners to look at.
local function gives()
  if counted('w', caller) >= share.caller then return 'v:' .. caller end
  if counted('n', namespace) >= share.namespace then
    local most = call('ZREVRANGE', P .. 'w:' .. namespace, 0, 0)[1]
    return most and 'v:' .. most .. '/' .. namespace
  end
  if counted('n', '') >= share.all then
    local most = call('ZREVRANGE', P .. 'w', 0, 0)[1]
    return most and 'v:' .. most
  end
end

-- The longest unused conversation of some owners; of very many owners, those with most.
local function oldest_of(owners)
  local first, whose, at
  for _, other in ipairs(call('ZREVRANGE', P .. owners, 0, TRIES - 1)) do
    local head = call('ZRANGE', P .. 'o:' .. other, 0, 0, 'WITHSCORES')
    if not head[1] then
      -- Lost, such as to a server that was short of memory.
      count(other, -counted(owners, other))
    elseif not at or tonumber(head[2]) < at then
      first, whose, at = head[1], other, tonumber(head[2])
    end
  end
  return first, whose
end

-- Forgets a conversation unless something is in flight: then it stands last, and others are looked at next.
local function forget_oldest(owners)
  for _ = 1, TRIES do
    local oldest, whose = oldest_of(owners)
    if not oldest then return false end
    local g = generation(oldest)
    local x = load(session(oldest, g))
    if x and x.flight > 0 then
      call('ZADD', P .. 'o:' .. whose, serial(), oldest)
    else
      if x then
        delist(x, oldest .. ':' .. g)
        redis.call('UNLINK', x.key)
      end
      -- A conversation that went on in further sessions does not go back to a former one.
      if g == 0 then redis.call('UNLINK', P .. 'c:' .. oldest) end
      drop(whose, oldest)
      forgotten = forgotten + 1
      return true
    end
  end
  return false
end

local function make_room()
  for _ = 1, STEPS do
    local owners = gives()
    if not owners or not forget_oldest(owners) then return end
  end
end

local g = generation(id)
local s = session(id, g)
local x = load(s)
local goes_on = x and x.used == '1' and not over(x, now)
if goes_on and gives_way then
  local rests
  if x.flight > 0 then rests = gw_flight else rests = now - x.t1 >= gw_idle end
  if rests and (gw_busy or x.busy ~= '1') and x.v ~= '' and version ~= '' and x.v ~= version
    and call('HEXISTS', P .. 'stale', x.group) == 1 then
    retire(x, id, now)
    g = g + 1
    s = session(id, g)
    goes_on = false
    x = nil
  end
end
clear()
if not call('ZSCORE', mine, id) then
  make_room()
  count(owner, 1)
end
call('ZADD', mine, serial(), id)
stays()
local member = id .. ':' .. g
if not goes_on then
  if x then delist(x, member) end
  redis.call('UNLINK', s)
  redis.call('HSET', s, 'su', ARGV[6], 'k', ARGV[7], 'n', ARGV[8], 'a', ARGV[9], 'c', ARGV[10], 'q', ARGV[11], 'v', version, 'i', idle,
    'm', life, 't0', ARGV[3], 't1', ARGV[3], 'o', owner, 'g', g, 'used', 1, 'reached', 0, 'busy', 0, 'retired', 0)
elseif #x.replicas > REPLICAS then
  for _, other in ipairs(x.replicas) do
    if alive(other) == 0 then redis.call('HDEL', s, 'f:' .. other) end
  end
end
redis.call('SET', P .. 'r:' .. replica, 1, 'PX', ARGV[19])
redis.call('HSET', s, 'used', 1, 't1', ARGV[3])
redis.call('HINCRBY', s, 'f:' .. replica, 1)
call('HSET', P .. 't:' .. replica, ticket, member)
redis.call('PEXPIRE', P .. 't:' .. replica, 2 * REQUEST)
redis.call('SET', P .. 'c:' .. id, g)
for _, key in ipairs({ s, P .. 'c:' .. id, mine }) do keep(key, tonumber(life)) end
lives[replica] = 1
x = load(s)
if x then enlist(x, member, now) end
return { g, goes_on and 0 or 1, x and x.v or version }
