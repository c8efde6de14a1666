"""Waiting for room: where only reservations stand in the way a call waits, first come first served; else it is refused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_core import (
    AsyncMessagesClient,
    BudgetExceededError,
    CreditBudget,
    MessagesClient,
    WorstCase,
    build_payload,
    worst_case,
)
from aivideoapi_core._catalogue.prices import prices_of
from aivideoapi_core._stores.budget_clock import Reading
from aivideoapi_core._stores.budget_memory import MemoryStore
from aivideoapi_core.sandbox import Reply, Sandbox

Make = Callable[..., CreditBudget]


def worst(micro: int) -> WorstCase:
    return WorstCase(input=1, output=1, micro=micro)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Budgets of one purse; a second one in memory is the first."""
    made: list[CreditBudget] = []
    store: Any = None
    if request.param != "memory":
        store = request.getfixturevalue("redis_url") if request.param == "redis" else tmp_path / "b.sqlite"

    def budget(limit: Any = "0.000010", **options: Any) -> CreditBudget:
        if store is None and made:
            return made[0]
        made.append(CreditBudget(limit, store=store, **options))
        return made[-1]

    yield budget
    for each in made:
        each.close()


PAYLOAD = build_payload(
    "claude-sonnet-4-6", [{"role": "user", "content": "Hi"}], stream=False, max_tokens=100
)
WORST = worst_case(PAYLOAD, prices_of("claude-sonnet-4-6")).micro or 0


def room_for(calls: float) -> str:
    return f"{WORST * calls / 1e6:.6f}"


def test_twenty_calls_at_once_in_threads(sandbox: Sandbox, make: Make) -> None:
    """B6: each might cost a tenth of the limit, all together cost half of it."""
    sandbox.enqueue(*[Reply("Hello", usage={"input_tokens": 10, "output_tokens": 20})] * 20)
    budget = make(room_for(10))
    with (
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget) as client,
        ThreadPoolExecutor(20) as threads,
    ):
        answers = list(threads.map(lambda _: client.create(PAYLOAD), range(20)))
    assert len(answers) == len(sandbox.requests) == 20
    standing = budget.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (sandbox.charged_micro, 0)


async def test_twenty_calls_at_once_in_tasks(sandbox: Sandbox, make: Make) -> None:
    sandbox.enqueue(*[Reply("Hello", usage={"input_tokens": 10, "output_tokens": 20})] * 20)
    budget = make(room_for(10))
    async with AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget) as client:
        answers = await asyncio.gather(*[client.create(PAYLOAD) for _ in range(20)])
    assert len(answers) == 20
    standing = await budget.astanding()
    assert (standing.spent_micro, standing.reserved_micro) == (sandbox.charged_micro, 0)


async def waiters(budget: CreditBudget, count: int) -> None:
    """Until ``count`` calls stand in line."""
    while len(budget._purse.line._line) < count:  # noqa: ASYNC110 - the line tells nobody who joins
        await asyncio.sleep(0.001)


async def test_first_come_first_served_even_if_a_later_one_would_fit(make: Make) -> None:
    budget = make()
    held = await budget.ahold("m", worst(8))
    came: list[int] = []

    async def call(micro: int) -> None:
        reservation = await budget.ahold("m", worst(micro))
        came.append(micro)
        await asyncio.to_thread(budget.settle, reservation, 0)

    tasks = []
    for place, micro in enumerate((9, 1, 3)):
        tasks.append(asyncio.create_task(call(micro)))
        await waiters(budget, place + 1)
    assert came == []
    await asyncio.to_thread(budget.settle, held, 0)
    await asyncio.gather(*tasks)
    assert came[0] == 9
    assert (await budget.astanding()).reserved_micro == 0


async def test_a_cancelled_call_leaves_the_line_and_nothing_reserved(make: Make) -> None:
    budget = make()
    held = await budget.ahold("m", worst(8))
    first = asyncio.create_task(budget.ahold("m", worst(9)))
    await waiters(budget, 1)
    second = asyncio.create_task(budget.ahold("m", worst(2)))
    await waiters(budget, 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    reservation = await second  # fits beside the one that runs, once nobody stands before it
    await asyncio.to_thread(budget.settle, reservation, 1)
    await asyncio.to_thread(budget.settle, held, 8)
    standing = await budget.astanding()
    assert (standing.spent_micro, standing.reserved_micro) == (9, 0)


def test_a_process_waits_for_another(make: Make) -> None:
    one, other = make(), make()
    held = one.hold("m", worst(8))
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(other.hold("m", worst(5))))
    thread.start()
    while not other._purse.line._line:
        time.sleep(0.001)
    one.settle(held, 4)
    thread.join(timeout=30)
    assert len(got) == 1
    other.settle(got[0], 5)
    assert one.standing().spent_micro == 9


def try_often(budget: CreditBudget, times: int) -> None:
    for _ in range(times):
        budget.settle(budget.hold("m", worst(1)), 0)


def test_a_newcomer_of_another_process_does_not_overtake(make: Make) -> None:
    one, other = make(), make(wait_s=0.05)
    held = one.hold("m", worst(8))
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(one.hold("m", worst(9))))
    thread.start()
    if other is not one:
        # Until the first one stands in the store's line, a call that fits is granted.
        with pytest.raises(BudgetExceededError) as caught:
            try_often(other, 1000)
        assert caught.value.may_fit_later
    one.settle(held, 0)
    thread.join(timeout=30)
    assert len(got) == 1


def test_the_two_cases_are_told_apart(make: Make) -> None:
    budget = make(wait_s=0.05)
    budget.settle(budget.hold("m", worst(2)), 2)
    held = budget.hold("m", worst(7))
    with pytest.raises(BudgetExceededError, match="no room came within") as caught:
        budget.hold("m", worst(5))
    error = caught.value
    assert (error.needed_micro, error.spent_micro, error.reserved_micro, error.limit_micro) == (5, 2, 7, 10)
    assert error.may_fit_later
    assert error.room_at is None
    assert sum(error.reserved_by.values()) == 7
    assert "by this process" in str(error)
    began = time.monotonic()
    with pytest.raises(BudgetExceededError) as caught:
        budget.hold("m", worst(9))  # what was spent leaves no room, whatever comes back
    assert time.monotonic() - began < 5
    assert not caught.value.may_fit_later
    assert "no room came" not in str(caught.value)
    budget.settle(held, 0)
    budget.settle(budget.hold("m", worst(8)), 0)


def test_a_call_inside_another_waits_no_longer_than_it_may(make: Make) -> None:
    budget = make(wait_s=0.05)
    outer = budget.hold("m", worst(8))
    with pytest.raises(BudgetExceededError, match=r"wait_s=0\.05"):
        budget.hold("m", worst(8))
    budget.settle(outer, 8)


def test_when_room_comes_from_the_window() -> None:
    now = 1_700_000_000.0
    budget = CreditBudget(
        "0.000010", window="hour", store=MemoryStore(clock=lambda: Reading("b", now, now, now))
    )
    budget.settle(budget.hold("m", worst(10)), 10)
    before = time.time()
    with pytest.raises(BudgetExceededError, match="room comes at") as caught:
        budget.hold("m", worst(4))
    assert caught.value.may_fit_later
    assert caught.value.room_at is not None
    assert 0 < caught.value.room_at - before <= 3600 + 60 + 5
    with pytest.raises(BudgetExceededError) as caught:
        budget.hold("m", worst(11))
    assert not caught.value.may_fit_later


def test_a_raised_limit_lets_the_line_go_on(make: Make) -> None:
    budget = make()
    held = budget.hold("m", worst(8))
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(budget.hold("m", worst(5))))
    thread.start()
    while not budget._purse.line._line:
        time.sleep(0.001)
    assert budget.set_limit("0.000020").limit_micro == 20
    thread.join(timeout=30)
    assert len(got) == 1
    for reservation in (held, got[0]):
        budget.settle(reservation, 1)
    assert budget.limit_micro == 20


def test_a_loop_that_ends_in_the_middle_leaves_nothing(make: Make) -> None:
    budget = make()
    held = budget.hold("m", worst(8))

    async def gone() -> None:
        task = asyncio.create_task(budget.ahold("m", worst(5)))
        await waiters(budget, 1)
        del task

    asyncio.run(gone())
    assert budget._purse.line.is_empty
    budget.settle(held, 0)
    budget.settle(budget.hold("m", worst(10)), 3)
    assert budget.standing().reserved_micro == 0
