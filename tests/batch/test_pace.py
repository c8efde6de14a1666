"""The pace: rules over plain data, and the gate that keeps them."""

from __future__ import annotations

import asyncio
import os

import pytest
from batch_kit import FakeClock

from aivideoapi_batch import Pace
from aivideoapi_batch._pace_state import PaceState
from aivideoapi_core import InvalidRequestError, OverloadedError, RateLimitError, SpendLimitError


def limited(retry_after_s: float | None = None) -> RateLimitError:
    return RateLimitError("slow down", retry_after_s=retry_after_s)


def test_a_pause_stops_everybody_and_halves() -> None:
    state = PaceState(8)
    assert [state.ask(0.0, jitter=0) for _ in range(9)] == [0.0] * 8 + [None]
    for _ in range(5):  # five that ran when the first was told: one storm, one cut
        state.slowed(0.0, began=0, wait_s=10)
    assert (state.limit, state.round, state.running) == (4, 1, 3)
    assert state.ask(3.0, jitter=0) == 7
    assert state.ask(3.0, jitter=0.5) == 7.5
    for _ in range(3):  # what passed before the pause says nothing of it
        state.passed(began=0, went_well=True)
    assert state.ask(10.0, jitter=0) == 0
    assert state.ask(10.0, jitter=0) is None, "one goes first"
    state.passed(began=1, went_well=True)
    assert [state.ask(10.0, jitter=0) for _ in range(5)] == [0.0] * 4 + [None]
    for _ in range(4):
        state.passed(began=1, went_well=True)
    assert 5 <= state.limit < 6, "one more in a round"


def test_it_comes_back_to_full_speed_and_not_beyond() -> None:
    state = PaceState(4)
    state.ask(0, jitter=0)
    state.slowed(0, began=0, wait_s=0)
    for _ in range(40):
        assert state.ask(0, jitter=0) == 0
        state.passed(began=1, went_well=True)
    assert state.limit == 4


def test_without_retry_after_the_waits_double() -> None:
    state = PaceState(4)
    waits = []
    now = 0.0
    for began in range(9):
        assert state.ask(now, jitter=0) == 0
        state.slowed(now, began=began, wait_s=None)
        waits.append(state.until - now)
        now = state.until
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert state.limit == 1


@pytest.mark.parametrize(
    ("error", "slows"),
    [
        (limited(5), True),
        (OverloadedError("busy"), True),
        (SpendLimitError("used up"), False),
        (InvalidRequestError("no"), False),
        (asyncio.CancelledError(), False),
    ],
)
async def test_which_errors_slow_down(error: BaseException, slows: bool, clock: FakeClock) -> None:
    pace = Pace(most=4, clock=clock)
    await pace.leave(await pace.enter(), error)
    assert (pace.state.limit, pace.state.running) == (2 if slows else 4, 0)


async def test_calls_of_two_jobs_share_one_gate(clock: FakeClock) -> None:
    """Never more at once than the limit, and everybody gets through, also after a 429 and a cancelled wait."""
    pace = Pace(clock=clock, chance=lambda: 0.5)
    pace.begin(3)
    pace.begin(2)
    running = most = done = 0

    async def one(number: int) -> None:
        nonlocal running, most, done
        entered = await pace.enter()
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        await pace.leave(entered, limited(2) if number % 7 == 3 else None)
        done += 1

    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(one(number)) for number in range(60)]
        await asyncio.sleep(0)
        made[50].cancel()
        made[20].cancel()
    assert (most, done) == (3, 58)
    assert pace.state.running == 0
    assert any(delay_s > 2 for delay_s in clock.slept), "released with jitter"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
async def test_a_forked_child_has_a_pace_of_its_own(clock: FakeClock) -> None:
    """Forked while another thread holds the lock: the child neither waits for it nor for its parent's calls."""
    pace = Pace(most=1, clock=clock)
    await pace.enter()
    with pace._kept._lock:
        child = os.fork()
        if not child:
            free = pace._kept._lock.acquire(blocking=False)
            os._exit(0 if free and pace.state.running == 0 else 1)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert pace.state.running == 1
