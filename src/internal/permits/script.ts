/**
 * The one step that a process takes in Redis: it tells its whole state, and hears which permits it has and what others want.
 *
 * Keys: leases (process by the end of its lease), held (process → permits), limits (process → limit), asks (process → ids),
 * queue (process:id by turn: microseconds, roughly), reserved (process:id by end), turns (process → its last command), facts. All have one hash tag.
 *
 * Arguments: process, limit, time to live, permits held, ids of borrowers' asks and of spare ones (comma-separated), epoch
 * known to the process, channel, the number of the command.
 *
 * - All times are those of Redis. A process whose lease has ended is forgotten, with its permits and places in the queue.
 * - A permit is granted only in the answer to its own process, so that the lease covers it from before the question. For an
 *   ask of another process it is reserved for 1 s, and that process is told to ask.
 * - If Redis lost its memory, nothing is granted for one time to live: processes that it does not know may have permits.
 * - While others wait, the processes above their share (limit ÷ processes that hold or wait) hear how many permits each of
 *   them should give up: what is wanted, divided in proportion to what they have above their share. Of idle items each
 *   process is asked for its part of what is wanted, in proportion to what it has; for all of it, once the first in the
 *   queue has waited for a third of the time to live.
 * - A command that arrives after a later one of its process, over an older connection, changes nothing.
 */
export const script = `
local leases, held, limits, asks = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local queue, reserved, turns, facts = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local me, ttl, mine = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local epoch, channel, command = ARGV[7], ARGV[8], tonumber(ARGV[9])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function forget(process)
  for id in string.gmatch(redis.call('HGET', asks, process) or '', '%d+') do
    redis.call('ZREM', queue, process .. ':' .. id)
    redis.call('ZREM', reserved, process .. ':' .. id)
  end
  redis.call('ZREM', leases, process)
  for _, key in ipairs({held, limits, asks, turns}) do redis.call('HDEL', key, process) end
end
for _, process in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do forget(process) end
if command <= tonumber(redis.call('HGET', turns, me) or 0) then return redis.error_reply('STALE a later command came first') end

local known = redis.call('HMGET', facts, 'epoch', 'quiet', 'turn', 'told', 'toldat', 'born')
local quiet, turn = tonumber(known[2] or 0), tonumber(known[3] or 0)
local told, toldat, born = tonumber(known[4] or 0), tonumber(known[5] or 0), tonumber(known[6] or now)
if not known[1] then
  known[1] = time[1] .. '.' .. time[2] .. '.' .. me
  local info = redis.pcall('INFO', 'server')
  local up = type(info) == 'string' and tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) or 0
  if up * 1000 < ttl then quiet = now - up * 1000 + ttl end
end
if mine > 0 and epoch ~= '' and epoch ~= known[1] then quiet = math.max(quiet, born + ttl) end

-- what this process has and wants
local wanted = {}
for id in string.gmatch(ARGV[5], '%d+') do wanted[id] = true end
for id in string.gmatch(redis.call('HGET', asks, me) or '', '%d+') do
  if not wanted[id] then
    redis.call('ZREM', queue, me .. ':' .. id)
    redis.call('ZREM', reserved, me .. ':' .. id)
  end
end
local granted = {}
for id in string.gmatch(ARGV[5], '%d+') do
  local ask = me .. ':' .. id
  if redis.call('ZREM', reserved, ask) == 1 then
    granted[#granted + 1] = id
    wanted[id] = nil
  elseif not redis.call('ZSCORE', queue, ask) then
    turn = math.max(turn + 1, now * 1000)
    redis.call('ZADD', queue, turn, ask)
  end
end
redis.call('HSET', limits, me, ARGV[2])

-- an ask whose process did not come goes to the end of the queue
for _, ask in ipairs(redis.call('ZRANGEBYSCORE', reserved, '-inf', now)) do
  turn = math.max(turn + 1, now * 1000)
  redis.call('ZREM', reserved, ask)
  redis.call('ZADD', queue, turn, ask)
end

local limit = math.huge
for _, value in ipairs(redis.call('HVALS', limits)) do limit = math.min(limit, tonumber(value)) end
redis.call('HSET', held, me, mine + #granted)
local total = redis.call('ZCARD', reserved)
for _, value in ipairs(redis.call('HVALS', held)) do total = total + tonumber(value) end
while total < limit and now >= quiet do
  local ask = redis.call('ZPOPMIN', queue)[1]
  if not ask then break end
  local process, id = string.match(ask, '^(.*):(%d+)$')
  total = total + 1
  if process == me then
    granted[#granted + 1] = id
    wanted[id] = nil
  else
    redis.call('ZADD', reserved, now + 1000, ask)
    redis.pcall('PUBLISH', channel .. ':' .. process, '')
  end
end

-- nobody waits in the queue
for id in string.gmatch(ARGV[6], '%d+') do
  if total >= limit or now < quiet then break end
  total = total + 1
  granted[#granted + 1] = id
end

local waiting = {}
for id in string.gmatch(ARGV[5], '%d+') do
  if wanted[id] then waiting[#waiting + 1] = id end
end
mine = mine + #granted
if mine + #waiting > 0 or ARGV[6] ~= '' then
  redis.call('HSET', held, me, mine)
  redis.call('HSET', asks, me, table.concat(waiting, ','))
  redis.call('HSET', turns, me, command)
  redis.call('ZADD', leases, now + ttl, me)
else
  forget(me)
end
local queued, processes = redis.call('ZCARD', queue), math.max(1, redis.call('ZCARD', leases))
if now >= quiet and queued > told and now >= toldat + 1000 then
  redis.pcall('PUBLISH', channel, '')
  told, toldat = queued, now
end
told = math.min(told, queued)
redis.call('HSET', facts, 'epoch', known[1], 'quiet', quiet, 'turn', turn, 'told', told, 'toldat', toldat, 'born', born)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl * 10) end

-- news may not arrive, and none tells of a lease that ends
local again = -1
if #waiting > 0 then
  local ends = tonumber(redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')[2])
  again = now < quiet and quiet - now or math.max(1, math.min(500, ends - now))
end
local share, others = math.max(1, math.floor(limit / processes)), queued - #waiting
local all, above = 0, 0
for _, value in ipairs(redis.call('HVALS', held)) do
  all = all + tonumber(value)
  above = above + math.max(0, tonumber(value) - share)
end
local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')[2]
local isPressing = first and now - tonumber(first) / 1000 >= ttl / 3
local asked = (isPressing or mine == 0) and others or math.ceil(others * mine / all)
local yields = mine > share and math.ceil(others * (mine - share) / above) or 0
local rest = math.max(0, quiet - now)
return {known[1], table.concat(granted, ','), asked, share, yields, again, limit, rest}
`
