-- What all scripts share. A script runs alone: nothing happens between its lines, and nobody else is served meanwhile. So none does more the more
-- there is of anything: every loop has a bound that is written here or given by the client.
--   c:ID        generation of a conversation
--   s:ID:G      a session; a field f:REPLICA for each replica counts its requests in flight
--   t:REPLICA   requests in flight of a replica: ticket to ID:G
--   r:REPLICA   lives as long as the replica does
--   g:GROUP     sessions of an object by version of birth, scored by when AgentCore ends them at the latest; q:GROUP: those retired
--   o:OWNER     conversations of a caller at an object, in the order of their last use; OWNER is HASH/CALLER/NAMESPACE
--   w, w:NAMESPACE             callers by how many conversations they have, in all and in a namespace
--   v:CALLER, v:CALLER/NAMESPACE   owners of a caller by how many conversations they have
--   n           conversations by namespace, and '' for all
--   owners      owners by when nothing of them is left
--   groups      g/GROUP, and p/PLACE for an object with stops; x:PLACE counts those
--   stale, serial
-- The braces put all keys into one slot. The number is that of the layout.
local P = '{agentcore}:2:'
local SLACK = 7200000 -- what is remembered of a conversation beyond the life of its session, ms
local REQUEST = 4500000 -- longest time that a request is in flight, ms: an hour of stream after a quarter until its first byte
local LIFE = 28800000 -- longest life of a session at AgentCore, ms
local MINUTE = 60000
local MONTH = 30 * 86400000
local VALUE = 131072 -- longest value that is read, bytes
local FIELDS = 256 -- most fields of a session that are read
local REPLICAS = 8 -- replicas with requests in flight in one session beyond which those that are gone are cleared
local TRIES = 8 -- conversations or owners that are looked at for one that may be forgotten
local STEPS = 2 -- things that a request clears away at most: more than it can add
local odd, forgotten = 0, 0

-- A command whose key may hold something of another type: that is cleared away, and counts as absent.
local function call(command, key, ...)
  local result = redis.pcall(command, key, ...)
  if type(result) == 'table' and result.err then
    if not string.find(result.err, 'WRONGTYPE', 1, true) then error(result.err, 0) end
    odd = odd + 1
    redis.call('UNLINK', key)
    result = redis.call(command, key, ...)
  end
  return result
end

local function whole(text)
  if type(text) == 'string' and #text <= 16 and string.find(text, '^%d+$') then return tonumber(text) end
end

-- A number that a key or field holds; none where there is none or none that can be read.
local function number(text)
  local value = whole(text)
  if text and not value then odd = odd + 1 end
  return value
end

local function session(id, g) return P .. 's:' .. id .. ':' .. g end
local function generation(id) return number(call('GET', P .. 'c:' .. id)) or 0 end
local function keep(key, life) redis.call('PEXPIRE', key, life + SLACK) end

local lives = {}
local function alive(replica)
  if lives[replica] == nil then lives[replica] = redis.call('EXISTS', P .. 'r:' .. replica) end
  return lives[replica]
end

local NAMES = { 'su', 'k', 'n', 'a', 'c', 'q', 'v', 'o', 'g', 'i', 'm', 't0', 't1', 'used', 'reached', 'busy', 'retired' }
local NUMBERS = { 'g', 'i', 'm', 't0', 't1' }

local function fields(s)
  local x, flight, replicas = {}, 0, {}
  local pairs = call('HGETALL', s)
  for at = 1, #pairs, 2 do
    local name, value = pairs[at], pairs[at + 1]
    local replica = string.match(name, '^f:(.+)$')
    if replica then
      value = whole(value)
      if not value then return nil end
      flight = flight + value * alive(replica)
      replicas[#replicas + 1] = replica
    elseif #value > VALUE then
      return nil
    else
      x[name] = value
    end
  end
  for _, name in ipairs(NAMES) do
    if not x[name] then return nil end
  end
  for _, name in ipairs(NUMBERS) do
    x[name] = whole(x[name])
    if not x[name] then return nil end
  end
  x.key, x.flight, x.replicas = s, flight, replicas
  x.group = x.k .. '/' .. x.n .. '/' .. x.a .. '/' .. x.v
  return x
end

-- A session with its requests in flight, without those of replicas that are gone; none where there is none. One that cannot be read is cleared away.
local function load(s)
  local length = call('HLEN', s)
  if length == 0 then return nil end
  local x = length <= FIELDS and fields(s)
  if not x then
    odd = odd + 1
    redis.call('UNLINK', s)
    return nil
  end
  return x
end

-- Whether AgentCore has ended a session.
local function over(x, now)
  if x.flight > 0 then return false end
  if now - x.t0 >= x.m then return true end
  return x.busy ~= '1' and now - x.t1 >= x.i
end

local function enlist(x, member, now)
  local ends = x.t0 + x.m
  if x.flight > 0 then
    ends = math.max(ends, now + REQUEST)
  elseif x.busy ~= '1' then
    ends = math.min(ends, x.t1 + x.i)
  end
  call('ZADD', P .. (x.retired == '1' and 'q:' or 'g:') .. x.group, ends, member)
  call('ZADD', P .. 'groups', 0, 'g/' .. x.group)
end

local function delist(x, member)
  call('ZREM', P .. 'g:' .. x.group, member)
  call('ZREM', P .. 'q:' .. x.group, member)
end

-- The conversation goes on in another session, from its next request.
local function succeed(x, id, now)
  local g = string.format('%.0f', x.g + 1)
  local next = session(id, g)
  redis.call('UNLINK', next)
  redis.call('HSET', next, 'su', x.su, 'k', x.k, 'n', x.n, 'a', x.a, 'c', x.c, 'q', x.q, 'v', x.v, 'o', x.o, 'g', g, 'i', x.i, 'm', x.m,
    't0', x.t0, 't1', now, 'used', 0, 'reached', 0, 'busy', 0, 'retired', 0)
  redis.call('SET', P .. 'c:' .. id, g)
  keep(next, x.m)
  keep(P .. 'c:' .. id, x.m)
end

local function retire(x, id, now)
  local member = id .. ':' .. x.g
  delist(x, member)
  redis.call('HSET', x.key, 'retired', 1)
  x.retired = '1'
  enlist(x, member, now)
  succeed(x, id, now)
end

-- A session as the client reads it.
local function describe(x)
  local text = function(value) return string.format('%.0f', value) end
  return { x.su, x.k, x.n, x.a, x.c, text(x.g), x.q, x.v, text(x.i), text(x.m), text(x.t0), text(x.t1), x.busy, x.retired, text(x.flight) }
end

-- Counts conversations of an owner.
local function count(owner, more)
  local caller, namespace = string.match(owner, '^[^/]+/([^/]+)/([^/]+)$')
  if not caller then return end
  for _, at in ipairs({ { 'w', caller }, { 'w:' .. namespace, caller }, { 'v:' .. caller, owner },
    { 'v:' .. caller .. '/' .. namespace, owner }, { 'n', namespace }, { 'n', '' } }) do
    local key = P .. at[1]
    if tonumber(call('ZINCRBY', key, more, at[2])) <= 0 then redis.call('ZREM', key, at[2]) end
  end
end

-- A conversation is no longer an owner's.
local function drop(owner, id)
  if call('ZREM', P .. 'o:' .. owner, id) == 1 then count(owner, -1) end
end
