-- One move of a pace that several workers share. The rules are those of PaceState; KEYS[1] is a hash with its fields,
-- and one field for each worker: "w:NAME" = "running wanting concurrency seen".
-- ARGV: now ("" takes the server's clock), worker, lease_s, most ("" takes all workers' concurrency together),
-- concurrency, running (how many of its calls run), want (how many wait), stays (1, or 0 for good-bye), and pairs of
-- (round in which it began, how it ended) for calls that are over: "well", "over", "slow" or "slow SECONDS".
-- Answers: granted, seconds to wait ("" until somebody has left), spread_s, round, limit, most, running.
local key = KEYS[1]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local me, lease_s = 'w:' .. ARGV[2], tonumber(ARGV[3])
local concurrency, running = tonumber(ARGV[5]), tonumber(ARGV[6])
local want, stays = tonumber(ARGV[7]), ARGV[8] == '1'

local numbers = {
  'most', 'limit', 'until', 'spread', 'trying', 'round', 'misses', 'running', 'concurrency', 'workers', 'wanting', 'sweep',
}
local s = {}
for i, value in ipairs(redis.call('HMGET', key, unpack(numbers))) do s[numbers[i]] = tonumber(value) or 0 end
-- first: who has the one call that goes first after a pause. last: who was last given more than its share.
local first = redis.call('HGET', key, 'first') or ''
local last = redis.call('HGET', key, 'last') or ''

local function count(text, sign)
  if not text then return 0, 0 end
  local r, w, c, seen = string.match(text, '(%S+) (%S+) (%S+) (%S+)')
  r, w, c = tonumber(r), tonumber(w), tonumber(c)
  s.running = s.running + sign * r
  s.concurrency = s.concurrency + sign * c
  s.workers = s.workers + sign
  if w > 0 then s.wanting = s.wanting + sign end
  return tonumber(seen)
end

if now >= s.sweep then
  -- Those who were not seen for the length of a lease are dead, and hold nothing.
  s.running, s.concurrency, s.workers, s.wanting = 0, 0, 0, 0
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'w:' and count(all[i + 1], 1) + lease_s < now and all[i] ~= me then
      count(all[i + 1], -1)
      redis.call('HDEL', key, all[i])
      if first == all[i] then first = '' end
    end
  end
  s.sweep = now + lease_s / 2
end

count(redis.call('HGET', key, me), -1)
if stays then
  -- A worker says how many run, not how many more or less: what is said twice counts once.
  count(string.format('%d 0 %d 0', running, concurrency), 1)
  local most = math.max(1, tonumber(ARGV[4]) or s.concurrency)
  s.limit = s.limit >= s.most and most or math.min(s.limit, most)
  s.most = most
end

for i = 9, #ARGV, 2 do
  local began, how = tonumber(ARGV[i]), ARGV[i + 1]
  if how == 'well' or how == 'over' then
    if began == s.round then
      s.trying, first, s.misses = 0, '', 0
      if how == 'well' then s.limit = math.min(s.most, s.limit + 1 / s.limit) end
    end
  else
    if began == s.round then
      s.limit = math.max(1, s.limit / 2)
      s.round = s.round + 1
      s.misses = s.misses + 1
    end
    local wait_s = tonumber(string.sub(how, 6)) or math.min(2 ^ math.min(s.misses - 1, 10), 60)
    s.trying, first = 1, ''
    s['until'] = math.max(s['until'], now + wait_s)
    s.spread = math.min(1, wait_s / 10)
  end
end

local granted, wait = 0, ''
if want > 0 and now < s['until'] then
  wait = string.format('%.6f', s['until'] - now)
elseif want > 0 then
  local free = math.max(1, math.floor(s.limit)) - s.running
  if s.trying == 1 then free = first == '' and math.min(free, 1) or 0 end
  granted = math.max(0, math.min(free, want))
  local share = s.limit / s.workers
  if granted > 0 and s.wanting > 0 and running + granted > share then
    -- Who asks most often gets most: where others wait too, every other time is theirs.
    if last == me then
      granted = math.max(0, math.min(granted, math.floor(share) - running))
      last = ''
    else
      last = me
    end
  end
  if granted > 0 and s.trying == 1 then first = me end
end

if stays then
  count(string.format('%d 0 %d 0', running, concurrency), -1)
  local mine = string.format('%d %d %d %.6f', running + granted, want - granted, concurrency, now)
  count(mine, 1)
  redis.call('HSET', key, me, mine)
else
  if first == me then first = '' end
  redis.call('HDEL', key, me)
end
local fields = { 'first', first, 'last', last }
for _, name in ipairs(numbers) do
  fields[#fields + 1] = name
  fields[#fields + 1] = string.format('%.17g', s[name])
end
redis.call('HSET', key, unpack(fields))
-- What was learnt ten minutes before the first call of a job says nothing of now.
redis.call('PEXPIRE', key, math.ceil((math.max(0, s['until'] - now) + math.max(600, 2 * lease_s)) * 1000))
return { granted, wait, tostring(s.spread), s.round, tostring(s.limit), tostring(s.most), s.running }
