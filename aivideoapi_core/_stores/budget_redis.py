"""Budget state in Redis, for many machines: every change is one script, which Redis runs alone."""

from __future__ import annotations

from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._stores.budget_rules import GRAINS_PER_WINDOW, Standing, Terms

# The rules of _budget_state.py once more, in the language that runs inside Redis; the same tests
# drive both. Numbers are doubles there, exact up to 2^53 microcredits. Scores and times are the
# server's own clock unless one is passed in.
_SCRIPT: Final = """
local spent_key, held_key, lease_key, dead_key, fact_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local op, window, grains, limit, soft = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'
local lease, policy, id, owner = tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[10]
local micro, unknown = tonumber(ARGV[11]), ARGV[12] == '1'
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local grain = window / grains
local bucket = '0'
if window > 0 then bucket = string.format('%.0f', math.floor(now / grain)) end
local function whole(number) return string.format('%.0f', number) end
local function book(amount)
  if amount > 0 then redis.call('HINCRBY', spent_key, bucket, whole(amount)) end
end

if op == 'renew' and redis.call('ZSCORE', lease_key, owner) then
  redis.call('ZADD', lease_key, 'GT', string.format('%.6f', now + lease), owner)
end

local pieces = redis.call('HGETALL', spent_key)
for i = 1, #pieces, 2 do
  if window > 0 and (tonumber(pieces[i]) + 1) * grain + window <= now then
    redis.call('HDEL', spent_key, pieces[i])
  end
end
local late = redis.call('ZRANGEBYSCORE', lease_key, '-inf', string.format('%.6f', now))
if #late > 0 then
  local dead = {}
  for _, name in ipairs(late) do dead[name] = true; redis.call('ZREM', lease_key, name) end
  local all = redis.call('HGETALL', held_key)
  for i = 1, #all, 2 do
    local amount, name = string.match(all[i + 1], '^(%d+) (.*)$')
    if dead[name] then
      redis.call('HDEL', held_key, all[i])
      redis.call('ZADD', dead_key, string.format('%.6f', now), all[i])
      redis.call('HINCRBY', fact_key, 'expired_calls', 1)
      redis.call('HINCRBY', fact_key, 'expired_micro', amount)
      if policy == 'count' then book(tonumber(amount)) end
    end
  end
  redis.call('ZREMRANGEBYRANK', dead_key, 0, -1001)
end

local function spent_sum()
  local sum = 0
  for _, amount in ipairs(redis.call('HVALS', spent_key)) do sum = sum + tonumber(amount) end
  return sum
end
local function held_sum()
  local sum = 0
  for _, value in ipairs(redis.call('HVALS', held_key)) do sum = sum + tonumber(string.match(value, '^%d+')) end
  return sum
end

local granted = 1
if op == 'reserve' then
  redis.call('ZADD', lease_key, string.format('%.6f', now + lease), owner)
  if redis.call('HEXISTS', held_key, id) == 0 then
    local fits
    if soft then fits = spent_sum() < limit else fits = spent_sum() + held_sum() + micro <= limit end
    if fits then
      redis.call('HSET', held_key, id, whole(soft and 0 or micro) .. ' ' .. owner)
    else
      granted = 0
    end
  end
elseif op == 'settle' then
  local known = true
  if redis.call('HDEL', held_key, id) == 1 then
    book(micro)
  elseif redis.call('ZREM', dead_key, id) == 1 then
    if policy == 'release' then book(micro) end
  else
    known = false
  end
  if known and unknown then
    redis.call('HINCRBY', fact_key, 'unknown_calls', 1)
    redis.call('HINCRBY', fact_key, 'unknown_micro', whole(micro))
  end
end
local facts = redis.call('HMGET', fact_key, 'unknown_calls', 'unknown_micro', 'expired_calls', 'expired_micro')
local answer = {granted, whole(spent_sum()), whole(held_sum())}
for i = 1, 4 do answer[3 + i] = facts[i] or '0' end
return answer
"""


class RedisStore:
    """State of one budget, by name, in a Redis of version 6.2 or later. Keys begin with ``aivideoapi:``.

    ``target`` is a URL or a ``redis.Redis`` client (synchronous; asynchronous callers run it in a
    thread). ``now`` of a test replaces the server's clock.
    """

    blocking = True
    shared = True

    def __init__(self, target: Any, *, name: str = "default", clock: Any = None) -> None:
        self.name = name
        self._url = target if isinstance(target, str) else None
        self._client = redis_client(target, argument="store")
        self._script = self._client.register_script(_SCRIPT)
        self._clock = clock
        # The braces keep all keys of one budget on one node of a cluster.
        prefix = f"aivideoapi:budget:{{{name}}}"
        self._keys = [f"{prefix}:{part}" for part in ("spent", "held", "leases", "expired", "facts")]

    def reserve(self, terms: Terms, *, id: str, owner: str, micro: int) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self._run("reserve", terms, id=id, owner=owner, micro=micro)

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self._run("settle", terms, id=id, micro=micro, unknown=unknown)

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """See ``BudgetStore``."""
        return self._run("renew", terms, owner=owner)

    def standing(self, terms: Terms) -> Standing:
        """See ``BudgetStore``."""
        return self._run("standing", terms)

    def close(self) -> None:
        """Close the connections that are our own."""
        if self._url is not None:
            self._client.close()

    def __reduce__(self) -> Any:
        if self._url is None:
            raise TypeError(
                "a budget with a Redis client cannot go to another process: give it the URL instead"
            )
        return _redis_store, (self._url, self.name)

    def _run(
        self,
        op: str,
        terms: Terms,
        *,
        id: str = "",  # noqa: A002 - the same word everywhere
        owner: str = "",
        micro: int = 0,
        unknown: bool = False,
    ) -> Standing:
        answer = self._script(
            keys=self._keys,
            args=[
                op,
                "" if self._clock is None else f"{self._clock():.6f}",
                terms.window_s or 0,
                GRAINS_PER_WINDOW,
                terms.limit_micro,
                int(terms.soft),
                terms.lease_s,
                terms.when_owner_dies,
                id,
                owner,
                micro,
                int(unknown),
            ],
        )
        granted, *sums = (int(part) for part in answer)
        names = (
            "spent_micro",
            "reserved_micro",
            "unknown_calls",
            "unknown_micro",
            "expired_calls",
            "expired_micro",
        )
        return Standing(
            limit_micro=terms.limit_micro, granted=bool(granted), **dict(zip(names, sums, strict=True))
        )


def redis_client(target: Any, *, argument: str) -> Any:
    """A synchronous client for a URL, or the client that was given. Raises ``InvalidInputError``."""
    try:
        import redis
        import redis.asyncio
    except ImportError as error:
        raise InvalidInputError(
            f"{argument}={str(target)[:9]!r}... needs redis-py: pip install 'aivideoapi-adapters[redis]'"
        ) from error
    if isinstance(target, str):
        return redis.Redis.from_url(target)
    if isinstance(target, redis.asyncio.Redis):
        raise InvalidInputError(
            f"{argument} must be a URL or a synchronous redis.Redis, also for asynchronous calls"
        )
    return target


def _redis_store(url: str, name: str) -> RedisStore:
    return RedisStore(url, name=name)
