-- One step of a journal of rows. KEYS[1] is its name; beside it stand hashes of rows (id: "token status paid\nresult"),
-- claims (id: "worker calling"), calls (id: how many began and have no result), noted (id: the last note's token), workers (when their leases end), totals.
-- ARGV: what, worker, lease_s, id ('meet' has its ids at the end), and what each step needs besides.
local rows, claims, calls = KEYS[1] .. ':rows', KEYS[1] .. ':claims', KEYS[1] .. ':calls'
local workers, totals = KEYS[1] .. ':workers', KEYS[1] .. ':totals'
local what, me, id = ARGV[1], ARGV[2], ARGV[4]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

if what == 'bye' then return redis.call('HDEL', workers, me) end
redis.call('HSET', workers, me, string.format('%.6f', now + ARGV[3]))
if what == 'beat' then return 1 end
if what == 'open' then
  redis.call('SET', KEYS[1] .. ':manifest', ARGV[5], 'NX')
  return redis.call('GET', KEYS[1] .. ':manifest')
end

local function parsed(row)
  if not row then return '', nil, '0' end
  return string.match(row, '^(%S+) (%S+) (%d)\n')
end

if what == 'meet' then
  -- Some rows at once. A claim of a worker whose lease is over holds nothing.
  local retry, answers, alive = ARGV[5], {}, {}
  local ids = { unpack(ARGV, 6) }
  local rows_of, claims_of = redis.call('HMGET', rows, unpack(ids)), redis.call('HMGET', claims, unpack(ids))
  local calls_of = redis.call('HMGET', calls, unpack(ids))
  local function add(seen, cost, token)
    local n = #answers
    answers[n + 1], answers[n + 2], answers[n + 3] = seen, cost, token
  end
  for i, id in ipairs(ids) do
    local token, status, paid = parsed(rows_of[i])
    local owner = claims_of[i] and string.match(claims_of[i], '^%S+')
    if owner and owner ~= me and alive[owner] == nil then
      alive[owner] = now < (tonumber(redis.call('HGET', workers, owner)) or 0)
    end
    if status and not string.find(retry, ',' .. status .. ',', 1, true) then
      add('done', 0, token)
    elseif owner and owner ~= me and alive[owner] then
      add('elsewhere', 0, token)
    else
      redis.call('HSET', claims, id, me .. ' 0')
      add('new', (paid == '1' or (tonumber(calls_of[i]) or 0) > 0) and 1 or 0, token)
    end
  end
  return answers
end

local row = redis.call('HGET', rows, id)
local token, status, paid = parsed(row)
local claim = redis.call('HGET', claims, id)

local function add(name, by)
  if by ~= 0 then redis.call('HINCRBY', totals, name, by) end
end

if what == 'note' then
  -- What a call cost whose row goes on; said twice it counts once. ARGV: its token, sums to add.
  if redis.call('HGET', KEYS[1] .. ':noted', id) == ARGV[5] then return 1 end
  redis.call('HSET', KEYS[1] .. ':noted', id, ARGV[5])
  for i = 6, #ARGV, 2 do add(ARGV[i], tonumber(ARGV[i + 1])) end
  return 1
end

-- A call began (1), or has its result or was not made (-1).
local function count(by)
  local left = tonumber(redis.call('HGET', calls, id)) or 0
  if left + by < 0 then return left end
  left = left + by
  if left == 0 then redis.call('HDEL', calls, id) else redis.call('HSET', calls, id, left) end
  add('unfinished_calls', by)
  if row then add('repeated_calls', by) end
  return left
end

if what == 'began' then
  -- Who was cut off for longer than its lease may find its row with another, or finished.
  if claim == me .. ' 1' then return 1 end
  if claim ~= me .. ' 0' or token ~= ARGV[5] then return 0 end
  redis.call('HSET', claims, id, me .. ' 1')
  count(1)
  return 1
end

if what == 'back' then
  if claim == me .. ' 1' then
    redis.call('HSET', claims, id, me .. ' 0')
    count(-1)
  end
  return 1
end

-- ended: the token that was met, our own, status, whether it may have cost something, the result, sums to add
local met, own, new, cost, result = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
if token == own then return '' end
redis.call('HDEL', KEYS[1] .. ':noted', id)
for i = 10, #ARGV, 2 do add(ARGV[i], tonumber(ARGV[i + 1])) end
if claim == me .. ' 1' or claim == me .. ' 0' then redis.call('HDEL', claims, id) end
if token ~= met then
  -- Somebody else has finished the row meanwhile. Ours stays a call without a result that counts: paid twice.
  if cost == '1' then redis.call('HSET', rows, id, token .. ' ' .. status .. ' 1\n' .. string.match(row, '\n(.*)$')) end
  return string.match(row, '\n(.*)$')
end
local left = count(-1)
if status then add('rows:' .. status, -1) else add('repeated_calls', left) end
add('rows:' .. new, 1)
if paid == '1' then cost = '1' end
redis.call('HSET', rows, id, own .. ' ' .. new .. ' ' .. cost .. '\n' .. result)
return ''
