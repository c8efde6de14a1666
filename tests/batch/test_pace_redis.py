"""The pace in Redis: the rules of the one in memory, for workers that can die."""

from __future__ import annotations

import asyncio
import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest
import redis
from batch_kit import FakeClock, rows_of

from aivideoapi_batch import BatchJob, Pace, PaceError
from aivideoapi_batch._pace_redis import SharedPace
from aivideoapi_batch._pace_state import PaceState
from aivideoapi_batch._redis import source_of
from aivideoapi_core import InvalidInputError, RateLimitError
from aivideoapi_core.sandbox import Fault, Sandbox

KEY = "aivideoapi:pace:{test}"


class Moves:
    """The script by itself, with a time that the test moves."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._script = self._client.register_script(source_of("pace.lua"))
        self.now = 1000.0

    def __call__(
        self,
        worker: str,
        running: int,
        want: int,
        *over: Any,
        most: Any = "",
        concurrency: int = 8,
        stays: int = 1,
    ) -> tuple[int, bytes]:
        facts = [f"{self.now:.6f}", worker, 30, most, concurrency, running, want, stays, *over]
        granted, wait, *_ = self._script(keys=[KEY], args=facts)
        return granted, wait

    def close(self) -> None:
        self._client.close()

    def field(self, name: str) -> float:
        return float(self._client.hget(KEY, name) or 0)


@pytest.fixture
def move(redis_url: str) -> Any:
    moves = Moves(redis_url)
    yield moves
    moves.close()


@pytest.mark.parametrize("seed", range(6))
def test_the_script_keeps_the_rules_of_the_one_in_memory(move: Moves, seed: int) -> None:
    draw = random.Random(seed)
    state = PaceState(8)
    running: list[int] = []
    move("a", 0, 0, most=8)
    for _ in range(300):
        match draw.choice(["ask", "ask", "well", "over", "slow", "time"]):
            case "ask":
                asked = state.ask(move.now, jitter=0)
                granted, wait = move("a", len(running), 1, most=8)
                assert granted == (asked == 0)
                assert float(wait or 0) == pytest.approx(asked or 0, abs=1e-5)
                if asked == 0:
                    running.append(state.round)
            case "time":
                move.now += draw.choice([0.5, 5, 20])
            case how if running:
                began = running.pop(draw.randrange(len(running)))
                wait_s = draw.choice([None, 0.0, 2.5]) if how == "slow" else None
                if how == "slow":
                    state.slowed(move.now, began=began, wait_s=wait_s)
                else:
                    state.passed(began=began, went_well=how == "well")
                move("a", len(running), 0, began, how if wait_s is None else f"slow {wait_s}", most=8)
        assert move.field("limit") == pytest.approx(state.limit)
        assert (move.field("round"), move.field("running")) == (state.round, state.running)
        assert (move.field("until"), move.field("spread")) == pytest.approx((state.until, state.spread_s))


def test_all_workers_pause_and_one_goes_first(move: Moves) -> None:
    assert move("a", 0, 20)[0] == 8
    assert move("b", 0, 20)[0] == 8, "as many as both of them together may"
    assert move("a", 7, 20, 0, "slow 5") == (0, b"5.000000")
    assert move("b", 8, 20) == (0, b"5.000000")
    move.now += 6
    assert move("b", 2, 20)[0] == 0, "nine run, and eight may"
    assert move("a", 0, 20)[0] == 1
    assert move("b", 2, 20) == (0, b"")
    assert move("b", 1, 20, 0, "well") == (0, b""), "of before the pause"
    move("a", 0, 0, 1, "well")
    assert move("b", 1, 20)[0] == 7


def test_a_worker_that_dies_holds_nothing(move: Moves) -> None:
    """Neither its places nor the one call that goes first; who was only silent counts again when it speaks."""
    move("a", 0, 8, most=4)
    assert move("b", 0, 8, most=4)[0] == 0
    move.now += 20
    assert move("b", 0, 8, most=4)[0] == 0
    move.now += 20
    assert move("b", 0, 8, 0, "slow 1", most=4)[0] == 0
    move.now += 2
    assert move("b", 0, 8, most=4)[0] == 1
    move("a", 4, 0, most=4)
    assert move.field("running") == 5
    granted = []
    for _ in range(3):
        move.now += 20
        granted.append(move("c", 0, 8, most=4)[0])
    assert granted == [0, 1, 0], "b died with the call that was to go first"


@pytest.mark.parametrize("limit", [1, 4])
def test_who_asks_seldom_has_a_turn_too(move: Moves, limit: int) -> None:
    """A worker that has much running asks again at once; another one finds room all the same."""
    running = {"a": move("a", 0, 9, most=limit)[0], "b": 0}
    for _ in range(60):
        running["a"] += move("a", running["a"], 9, most=limit)[0]
        if running["a"]:
            running["a"] -= 1
            running["a"] += move("a", running["a"], 9, 0, "over", most=limit)[0]
        running["b"] += move("b", running["b"], 9, most=limit)[0]
        if running["b"] >= max(1, limit // 2):
            break
        assert sum(running.values()) <= limit
    else:
        pytest.fail(f"starved: {running}")


def test_what_was_learnt_stays_when_the_last_one_goes(move: Moves) -> None:
    move("a", 0, 8)
    move("a", 7, 0, 0, "slow 1")
    move("a", 0, 0, stays=0)
    assert (move.field("limit"), move.field("running")) == (4, 0)
    move("b", 0, 0)
    assert (move.field("limit"), move.field("most")) == (4, 8)


async def test_calls_of_two_workers_share_one_gate(redis_url: str) -> None:
    """Never more at once than the limit, and everybody gets through, also after a 429 and a cancelled wait."""
    paces = [SharedPace(redis_url, name="test", most=3, chance=lambda: 0.5) for _ in range(2)]
    running = most = done = 0

    async def one(number: int) -> None:
        nonlocal running, most, done
        pace = paces[number % 2]
        entered = await pace.enter()
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        error = RateLimitError("slow down", retry_after_s=0.01) if number % 7 == 3 else None
        await pace.leave(entered, error)
        done += 1

    for pace in paces:
        pace.begin(3)
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(one(number)) for number in range(60)]
        await asyncio.sleep(0)
        made[50].cancel()
        made[20].cancel()
    for pace in paces:
        await pace.end()
    assert (most, done) == (3, 58)
    assert paces[1].state.running == 0
    assert len(asyncio.all_tasks()) == 1


def test_a_storm_of_429s_loses_no_row(
    job: Callable[..., BatchJob], sandbox: Sandbox, redis_url: str, clock: FakeClock
) -> None:
    sandbox.enqueue(*(Fault.error("rate_limit_exceeded", retry_after=5) for _ in range(60)))
    shared = SharedPace(redis_url, name="test", clock=clock)
    batch = job(options={"concurrency": 16, "pace": pickle.loads(pickle.dumps(shared)) and shared})
    assert {result.status for result in batch.run(rows_of(80))} == {"ok"}
    assert len(sandbox.requests) == 140
    assert max(clock.slept) >= 5


async def test_a_store_that_is_gone_stops_the_job(redis_url: str) -> None:
    """And a call that has been made keeps its result. A script that was forgotten is loaded again."""
    pace = Pace.shared(redis_url, name="test")
    pace.begin(2)
    entered = await pace.enter()
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    await pace.enter()
    with redis.Redis.from_url(redis_url) as client:
        client.set(KEY, "no hash")
    await pace.leave(entered)
    with pytest.raises(PaceError, match="cannot be asked"):
        await pace.enter()
    await pace.end()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("localhost",), "URL"),
        ((redis.Redis(),), "not a client"),
        (("redis://user:secret@host", {"name": "{"}), "name"),
        (("redis://user:secret@host", {"most": 0}), "most"),
    ],
)
def test_wrong_use(arguments: Any, says: str) -> None:
    url, *named = arguments
    with pytest.raises(InvalidInputError, match=says) as error:
        Pace.shared(url, **(named[0] if named else {}))
    assert "secret" not in str(error.value)
    assert "secret" not in repr(Pace.shared("redis://user:secret@host"))
