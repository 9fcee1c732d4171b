/** The one step that a process takes in Redis: it tells its whole state, and hears what it has and what others want. */

/**
 * Keys: leases (process → end), held (process → permits), limits (process → limit), asks (process → its ids), queue
 * (process:id by turn), reserved (process:id by end), facts. All have one hash tag.
 *
 * Arguments: process, limit, time to live, permits held, ids that wait (comma-separated), epoch known to the process, channel.
 *
 * - All times are those of Redis. A process whose lease has ended is forgotten, with its permits and places in the queue.
 * - A permit is granted only in the answer to its own process, so that the lease covers it from before the question. For an
 *   ask of another process it is reserved for 1 s, and that process is told to ask.
 * - If Redis lost its memory, nothing is granted for one time to live: holders that do not answer may still have theirs.
 */
export const sync = `
local leases, held, limits, asks, queue, reserved, facts =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local me, ttl, mine, epoch, channel = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[6], ARGV[7]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function forget(process)
  for id in string.gmatch(redis.call('HGET', asks, process) or '', '%d+') do
    redis.call('ZREM', queue, process .. ':' .. id)
    redis.call('ZREM', reserved, process .. ':' .. id)
  end
  redis.call('ZREM', leases, process)
  for _, key in ipairs({held, limits, asks}) do redis.call('HDEL', key, process) end
end
for _, process in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do forget(process) end

local known = redis.call('HMGET', facts, 'epoch', 'quiet', 'turn', 'told')
local quiet, turn, told = tonumber(known[2] or 0), tonumber(known[3] or 0), tonumber(known[4] or 0)
if not known[1] then
  known[1] = time[1] .. '.' .. time[2] .. '.' .. me
  local up = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)')) * 1000
  if up < ttl then quiet = now - up + ttl end
end
if mine > 0 and epoch ~= '' and epoch ~= known[1] then quiet = math.max(quiet, now + ttl) end

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
    turn = turn + 1
    redis.call('ZADD', queue, turn, ask)
  end
end
redis.call('HSET', limits, me, ARGV[2])

-- a process that did not come for its permit goes to the end of the queue
for _, ask in ipairs(redis.call('ZRANGEBYSCORE', reserved, '-inf', now)) do
  turn = turn + 1
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
    redis.call('PUBLISH', channel, process)
  end
end

local waiting, left = {}, 0
for id in string.gmatch(ARGV[5], '%d+') do
  if wanted[id] then waiting[#waiting + 1] = id end
end
mine = mine + #granted
if mine + #waiting > 0 then
  redis.call('HSET', held, me, mine)
  redis.call('HSET', asks, me, table.concat(waiting, ','))
  redis.call('ZADD', leases, now + ttl, me)
else
  forget(me)
end
local queued = redis.call('ZCARD', queue)
if queued > told and now >= quiet then redis.call('PUBLISH', channel, '*') end
redis.call('HSET', facts, 'epoch', known[1], 'quiet', quiet, 'turn', turn, 'told', queued)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl * 10) end

local again = -1
if #waiting > 0 and now < quiet then again = quiet - now
elseif #waiting > 0 and redis.call('ZCARD', reserved) > 0 then again = 1000 end
local processes = math.max(1, redis.call('ZCARD', leases))
return {known[1], table.concat(granted, ','), queued - #waiting, math.max(1, math.floor(limit / processes)), again, limit}
`
