-- The rules of budget_rules.py and budget_clock.py once more, in the language that runs inside Redis; the same
-- tests drive both. Numbers are doubles here, exact up to 2^53 microcredits. Sums are kept, never made of all
-- that is held: a call costs the same beside ten others and beside twenty thousand.

local VERSION, PLACE_S, LATE, SETTLED, BOOTS, OWNERS, LAG_S = '3', 3, 1000, 4096, 512, 100, 10
local EARLIER = 'earlier release '

local fact_key, piece_key, held_key, owner_key, lease_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local late_key, settled_key, line_key, boot_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local call_key = KEYS[10]
local old_spent, old_held, old_lease, old_late, old_fact = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]

local op, boot, awake_s, since_boot_s, wall_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local asked, policy = {limit = ARGV[6], window = ARGV[7], soft = ARGV[8], calendar = ARGV[18]}, ARGV[9]
local joined, lease, grains = ARGV[10] == '1', tonumber(ARGV[11]), tonumber(ARGV[12])
local id, owner, micro, unknown, turn = ARGV[13], ARGV[14], tonumber(ARGV[15]), ARGV[16] == '1', ARGV[17]
local page_start, page_end, thresholds, for_s, at_s = tonumber(ARGV[19]), tonumber(ARGV[20]), ARGV[21], ARGV[22], ARGV[23]
local caller_s, met_now, met_awake = tonumber(ARGV[24]), tonumber(ARGV[25]), tonumber(ARGV[26])

local function whole(number) return string.format('%.0f', number) end
local function seconds(number) return string.format('%.6f', number) end

-- Facts: the sums, the terms, the time. Only those that change are written.
local NAMES = {'spent', 'unknown_calls', 'unknown', 'expired_calls', 'expired', 'version', 'limit', 'window', 'soft',
  'now', 'awake', 'wall', 'reserved', 'oldest', 'turns', 'calendar', 'opened', 'raised', 'fired', 'caller'}
local values = redis.call('HMGET', fact_key, unpack(NAMES))
local fact, sum = {}, {}
for i = 1, #NAMES do fact[NAMES[i]] = values[i] end
for i = 1, 5 do sum[i] = tonumber(values[i] or 0) end
for i = 16, 19 do fact[NAMES[i]] = values[i] or '' end
if fact.version and tonumber(fact.version) > tonumber(VERSION) then return {'newer', fact.version} end

local is_new = not fact.limit
if is_new and op == 'look' then return {'none'} end
if is_new then
  -- Lost, evicted by a server that is full: what is left of it would count against sums that are gone.
  redis.call('DEL', unpack(KEYS, 2, 10))
  for name, value in pairs(asked) do fact[name] = value end
elseif op ~= 'settle' and op ~= 'look' then
  local differs = tonumber(asked.window) ~= tonumber(fact.window) or asked.soft ~= fact.soft
    or asked.calendar ~= fact.calendar
  if not joined and op ~= 'set_limit' and op ~= 'raise' then differs = differs or tonumber(asked.limit) ~= tonumber(fact.limit) end
  if differs then return {'terms', fact.limit, fact.window, fact.soft, fact.calendar} end
end
if op == 'set_limit' then fact.limit, fact.raised = whole(micro), '' end
local agreed, window, soft = tonumber(fact.limit), tonumber(fact.window), fact.soft == '1'
local grain = window / grains
local reserved = tonumber(fact.reserved or 0)

-- The budget's own time.
if not wall_s then
  local time = redis.call('TIME')
  wall_s = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local now, awake = tonumber(fact.now or wall_s), tonumber(fact.awake or wall_s)
-- How long ago the last call was, for a machine whose own clock does not say: by the server's clock or the callers',
-- whichever is less. One of them may have been set.
local passed = 0
if fact.now then
  passed = math.max(0, math.min(wall_s - tonumber(fact.wall), caller_s - tonumber(fact.caller or caller_s - 1e12)))
end
local known = redis.call('HGET', boot_key, boot)
local off_now, off_awake
if known then
  off_now, off_awake = string.match(known, '^(%S+) (%S+)$')
  off_now, off_awake = tonumber(off_now), tonumber(off_awake)
end
-- Whether a machine's own clock says nothing of now: one not met before, or one that lags far behind, because it slept
-- or came back from a snapshot. Its offset stays: others may come from the same snapshot, and have run for longer.
local function lags(clock, offset, time) return not offset or clock + offset < time - LAG_S end
if lags(since_boot_s, off_now, now) then now = now + passed else now = math.max(now, since_boot_s + off_now) end
-- The wall clocks may have been set: whoever renews a lease must not lose it to that.
if lags(awake_s, off_awake, awake) then awake = awake + math.min(passed, op == 'look' and 0 or lease / 2)
else awake = math.max(awake, awake_s + off_awake) end
if not known then
  -- What its clocks show was read some time ago, and would count as read now, for good. So it is asked to read them
  -- once more, after this: then it is met with less than they are ahead, never with more.
  if not met_now then return {'clock', seconds(now), seconds(awake)} end
  if redis.call('HLEN', boot_key) >= BOOTS then redis.call('DEL', boot_key) end
  redis.call('HSET', boot_key, boot, seconds(met_now - since_boot_s) .. ' ' .. seconds(met_awake - awake_s))
end

-- The window of the calendar. Only clients know calendars: where another window begins, they are asked for its bounds.
local turned = false
if fact.calendar ~= '' then
  local start, stop, till = string.match(fact.opened, '^(%S+) (%S+) (%S+)$')
  start, stop, till = tonumber(start), tonumber(stop), tonumber(till)
  local at
  if not start then
    at = wall_s
  elseif till <= now then
    if start <= wall_s and wall_s < stop then till = now + (stop - wall_s) else at = math.max(wall_s, stop) end
  end
  if at then
    if not page_start or at < page_start or page_end <= at then return {'calendar', fact.calendar, seconds(at)} end
    turned = start and page_end ~= stop
    start, stop, till = page_start, page_end, now + (page_end - at)
  end
  fact.opened = seconds(start) .. ' ' .. seconds(stop) .. ' ' .. seconds(till)
end

local bucket = '0'
if window > 0 then bucket = whole(math.floor(now / grain)) end

-- Counts by piece of the window, as five numbers in the order of the first five facts.
local function counts_of(text)
  local counts = {0, 0, 0, 0, 0}
  local i = 1
  for number in string.gmatch(text or '', '%d+') do counts[i] = tonumber(number); i = i + 1 end
  return counts
end
local function write_piece(place, counts)
  for i = 1, 5 do counts[i] = whole(counts[i]) end
  redis.call('HSET', piece_key, place, table.concat(counts, ' '))
end
local function book(...)
  local amounts, any = {...}, false
  for _, amount in ipairs(amounts) do any = any or amount ~= 0 end
  if not any then return end
  local counts = counts_of(redis.call('HGET', piece_key, bucket))
  for i, amount in ipairs(amounts) do
    counts[i] = counts[i] + amount
    sum[i] = sum[i] + amount
  end
  write_piece(bucket, counts)
  if not fact.oldest or fact.oldest == '' then fact.oldest = bucket end
end
local function leaves_at(place) return (tonumber(place) + 1) * grain + window end
if turned then
  redis.call('DEL', piece_key)
  sum, fact.oldest, fact.fired = {0, 0, 0, 0, 0}, '', ''
end

-- The limit: a raised one until its time, then the one agreed on.
local raised_to, raised_until, raised_until_s
local function read_raise()
  raised_to, raised_until, raised_until_s = string.match(fact.raised, '^(%S+) (%S+) (%S+)$')
  raised_to, raised_until = tonumber(raised_to), tonumber(raised_until)
end
if op == 'raise' then
  local left = tonumber(for_s) or tonumber(at_s) - wall_s
  fact.raised = ''
  if micro > agreed and left > 0 then
    fact.raised = whole(micro) .. ' ' .. seconds(now + left) .. ' ' .. seconds(tonumber(at_s) or wall_s + left)
  end
end
if fact.raised ~= '' then
  read_raise()
  if raised_until <= now then
    fact.raised = ''
    read_raise()
  end
end
local function limit_at(time)
  if raised_until and time < raised_until then return math.max(agreed, raised_to) end
  return agreed
end
local limit = limit_at(now)

-- Thresholds that were passed in this window: pairs of a share of the limit and when.
local function passed_now(shares)
  local fired, passed = {}, {}
  for share, time in string.gmatch(fact.fired, '(%S+) (%S+)') do fired[share] = tonumber(time) end
  for share in string.gmatch(shares, '%S+') do
    local last = fired[share]
    if sum[1] > 0 and sum[1] >= limit * tonumber(share) and not (last and (window == 0 or now < last + window)) then
      passed[#passed + 1] = share
      fired[share] = now
    end
  end
  if #passed > 0 then
    local texts = {}
    for share, time in pairs(fired) do texts[#texts + 1] = share .. ' ' .. seconds(time) end
    fact.fired = table.concat(texts, ' ')
  end
  return table.concat(passed, ' ')
end
local function forget_thresholds()
  local texts = {}
  for share, time in string.gmatch(fact.fired, '(%S+) (%S+)') do
    if sum[1] >= limit * tonumber(share) then texts[#texts + 1] = share .. ' ' .. time end
  end
  fact.fired = table.concat(texts, ' ')
end

local function hold(key, name, amount)
  redis.call('HSET', held_key, key, whole(amount) .. ' ' .. name)
  redis.call('HINCRBY', owner_key, name, whole(amount))
  redis.call('HINCRBY', call_key, name, 1)
  reserved = reserved + amount
end
local function let_go(key, value)
  local amount, name = string.match(value, '^(%d+) (.*)$')
  redis.call('HDEL', held_key, key)
  redis.call('HINCRBY', owner_key, name, whole(0 - tonumber(amount)))
  redis.call('HINCRBY', call_key, name, -1)
  reserved = reserved - tonumber(amount)
  return tonumber(amount), name
end

-- What releases before version 2 kept, taken over once: amounts of no piece of this window count as spent now.
if is_new and redis.call('TYPE', old_spent).ok ~= 'string' then
  local pieces = redis.call('HGETALL', old_spent)
  local taken = {}
  for i = 1, #pieces, 2 do
    local began = tonumber(pieces[i]) * grain
    local place = bucket
    if window > 0 and began > 1600000000 and began <= now then place = pieces[i] end
    taken[place] = (taken[place] or 0) + tonumber(pieces[i + 1])
  end
  local olds = redis.call('HMGET', old_fact, 'unknown_calls', 'unknown_micro', 'expired_calls', 'expired_micro')
  taken[bucket] = taken[bucket] or 0
  for place, amount in pairs(taken) do
    local counts = {amount, 0, 0, 0, 0}
    if place == bucket then for i = 1, 4 do counts[i + 1] = tonumber(olds[i] or 0) end end
    for i = 1, 5 do sum[i] = sum[i] + counts[i] end
    write_piece(place, counts)
    if not fact.oldest or tonumber(place) < tonumber(fact.oldest) then fact.oldest = place end
  end
  local held = redis.call('HGETALL', old_held)
  for i = 1, #held, 2 do
    local amount, name = string.match(held[i + 1], '^(%d+) (.*)$')
    if tonumber(redis.call('ZSCORE', old_lease, name) or 0) > wall_s then name = EARLIER .. name end
    hold(held[i], name, tonumber(amount))
    redis.call('ZADD', lease_key, seconds(awake + lease), name)
  end
  redis.call('DEL', old_held, old_lease, old_late, old_fact)
  -- An earlier release that goes on with this budget is answered with an error, and makes no call.
  redis.call('DEL', old_spent)
  redis.call('SET', old_spent, 'moved: see the keys of version 2')
end

if op == 'renew' and redis.call('ZSCORE', lease_key, owner) then
  redis.call('ZADD', lease_key, 'GT', seconds(awake + lease), owner)
end

-- What is over: only what is due is touched.
if window > 0 and fact.oldest and fact.oldest ~= '' and leaves_at(fact.oldest) <= now then
  local pieces = redis.call('HGETALL', piece_key)
  local oldest
  for i = 1, #pieces, 2 do
    if leaves_at(pieces[i]) <= now then
      for n, amount in ipairs(counts_of(pieces[i + 1])) do sum[n] = sum[n] - amount end
      redis.call('HDEL', piece_key, pieces[i])
    elseif not oldest or tonumber(pieces[i]) < tonumber(oldest) then
      oldest = pieces[i]
    end
  end
  fact.oldest = oldest or ''
  if not oldest then sum = {0, 0, 0, 0, 0} end -- Also what lay in pieces that were lost.
end
if op == 'set_limit' or op == 'raise' then forget_thresholds() end
local dead_owners = {}
-- What becomes of the dead's is for those to say who spend, not for those who look on or move the limit.
if op ~= 'look' and op ~= 'set_limit' and op ~= 'raise' then
  dead_owners = redis.call('ZRANGEBYSCORE', lease_key, '-inf', seconds(awake))
end
if #dead_owners > 0 then
  local dead, all = {}, {}
  for _, name in ipairs(dead_owners) do
    redis.call('ZREM', lease_key, name)
    dead[name] = tonumber(redis.call('HGET', call_key, name) or 0) > 0
      or tonumber(redis.call('HGET', owner_key, name) or 0) > 0
    if dead[name] and #all == 0 then all = redis.call('HGETALL', held_key) end
  end
  for i = 1, #all, 2 do
    if dead[string.match(all[i + 1], '^%d+ (.*)$')] then
      local amount, name = let_go(all[i], all[i + 1])
      local counts = policy == 'count' or string.sub(name, 1, #EARLIER) == EARLIER
      redis.call('ZADD', late_key, seconds(now), (counts and 'counted ' or 'released ') .. all[i])
      book(counts and amount or 0, 0, 0, 1, amount)
    end
  end
  for _, name in ipairs(dead_owners) do
    -- Of reservations that were lost.
    reserved = reserved - math.max(0, tonumber(redis.call('HGET', owner_key, name) or 0))
    redis.call('HDEL', owner_key, name)
    redis.call('HDEL', call_key, name)
  end
  redis.call('ZREMRANGEBYRANK', late_key, 0, -(LATE + 1))
end

-- The line: id to "place until". Few stand in it: one for each process that waits.
local function is_first()
  if redis.call('HLEN', line_key) == 0 then return true end
  local line = redis.call('HGETALL', line_key)
  local first, who
  for i = 1, #line, 2 do
    local place, till = string.match(line[i + 1], '^(%d+) (%S+)$')
    if tonumber(till) <= awake then
      redis.call('HDEL', line_key, line[i])
    elseif not first or tonumber(place) < first then
      first, who = tonumber(place), line[i]
    end
  end
  return not who or who == id
end

local status, passed, extra = 'ok', '', {}
if op == 'reserve' then
  redis.call('ZADD', lease_key, 'GT', seconds(awake + lease), owner)
  -- Given back before it was made: two threads, or two connections.
  if redis.call('HEXISTS', held_key, id) == 0 and not redis.call('ZSCORE', settled_key, id) then
    local could, fits
    if soft then
      could = sum[1] < limit
      fits = could
    else
      could = sum[1] + micro <= limit
      fits = sum[1] + reserved + micro <= limit
    end
    if fits and (turn == 'at once' or is_first()) then
      if turn ~= 'at once' then redis.call('HDEL', line_key, id) end
      hold(id, owner, soft and 0 or micro)
    else
      status = could and 'waits' or 'refused'
      if could and turn == 'in line' then
        local place = string.match(redis.call('HGET', line_key, id) or '', '^%d+')
        if not place then
          fact.turns = whole(tonumber(fact.turns or 0) + 1)
          place = fact.turns
        end
        redis.call('HSET', line_key, id, place .. ' ' .. seconds(awake + PLACE_S))
      elseif not could then
        redis.call('HDEL', line_key, id)
      end
      local room = ''
      if not could and (window > 0 or fact.opened ~= '') then
        local wanted = sum[1] + (soft and 1 or micro)
        local pieces = redis.call('HGETALL', piece_key)
        local places = {}
        for i = 1, #pieces, 2 do places[#places + 1] = {tonumber(pieces[i]), counts_of(pieces[i + 1])[1]} end
        table.sort(places, function(one, other) return one[1] < other[1] end)
        for _, piece in ipairs(places) do
          wanted = wanted - piece[2]
          local at = leaves_at(piece[1])
          if fact.opened ~= '' then at = tonumber(string.match(fact.opened, '%S+$')) end
          if wanted <= limit_at(at) then
            room = seconds(math.max(0, at - now))
            break
          end
        end
      end
      extra = {room}
      local owners = redis.call('HGETALL', owner_key)
      for i = 1, math.min(#owners, 2 * OWNERS) do extra[#extra + 1] = owners[i] end
    end
  end
elseif op == 'settle' then
  redis.call('HDEL', line_key, id)
  if not redis.call('ZSCORE', settled_key, id) then
    local counted = false
    local value = redis.call('HGET', held_key, id)
    if value then
      let_go(id, value)
    else
      -- Its owner may have been slow, not dead.
      counted = redis.call('ZREM', late_key, 'counted ' .. id) == 1
      redis.call('ZREM', late_key, 'released ' .. id)
    end
    redis.call('ZADD', settled_key, seconds(now), id)
    redis.call('ZREMRANGEBYRANK', settled_key, 0, -(SETTLED + 1))
    book(counted and 0 or micro, unknown and 1 or 0, unknown and micro or 0)
    if thresholds ~= '' then passed = passed_now(thresholds) end
  end
elseif op == 'look' then
  extra = {'', fact.window, fact.soft, fact.calendar}
end

for i = 1, 5 do fact[NAMES[i]] = whole(sum[i]) end
-- Without a window of the calendar, releases before version 3 can read all of it.
fact.version = fact.calendar == '' and '2' or VERSION
fact.now, fact.awake, fact.wall, fact.caller = seconds(now), seconds(awake), seconds(wall_s), seconds(caller_s)
fact.reserved = whole(reserved)
local changed = {}
for i = 1, #NAMES do
  local name = NAMES[i]
  local value = fact[name] or ''
  if value ~= (values[i] or '') then
    changed[#changed + 1] = name
    changed[#changed + 1] = value
  end
end
if #changed > 0 then redis.call('HSET', fact_key, unpack(changed)) end
local answer = {status, fact.limit, whole(limit), fact.reserved, fact.spent, fact.unknown_calls, fact.unknown,
  fact.expired_calls, fact.expired, raised_until_s or '',
  fact.opened == '' and '' or string.match(fact.opened, '^%S+ (%S+)'), passed}
for i = 1, #extra do answer[12 + i] = extra[i] end
return answer
