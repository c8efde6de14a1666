"""A limit that is raised until a time: for all who share the budget, and not for longer."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from budget_kit import Clock, Stores

from aivideoapi_core import BudgetExceededError, CreditBudget, InvalidInputError, WorstCase

DAY: dict[str, Any] = {"limit_credits": 10, "window": "day", "wait_s": 0}


def worst(micro: int) -> WorstCase:
    return WorstCase(input=1, output=1, micro=micro)


def test_a_raise_holds_for_all_until_its_time(stores: Stores) -> None:
    clock = Clock()
    one, other = (CreditBudget(store=stores(clock), **DAY) for _ in range(2))
    other.settle(other.hold("m", worst(10_000_000)), 10_000_000)
    standing = one.raise_until(15, timedelta(hours=2))
    assert (standing.limit_micro, standing.raised_micro) == (15_000_000, 5_000_000)
    assert standing.raised_until == datetime.fromtimestamp(clock.wall_s, UTC) + timedelta(hours=2)
    assert "5 of the limit until 2025-06-15 17:06:40 UTC" in str(standing)
    other.settle(other.hold("m", worst(5_000_000)), 4_000_000)
    late = CreditBudget(store=stores(clock), **DAY)  # its terms are the agreed ones, not the raised
    assert late.standing().limit_micro == 15_000_000
    assert late.limit_micro == one.limit_micro == 10_000_000
    clock.pass_s(7_199)
    assert late.standing().available_micro == 1_000_000
    clock.pass_s(1)
    standing = one.standing()
    assert (standing.limit_micro, standing.raised_until, standing.available_micro) == (
        10_000_000,
        None,
        -4_000_000,
    )
    with pytest.raises(BudgetExceededError):
        other.hold("m", worst(1))


def test_until_a_time_with_any_zone(stores: Stores) -> None:
    clock = Clock(wall_s=datetime(2125, 1, 1, tzinfo=UTC).timestamp())
    budget = CreditBudget(store=stores(clock), **DAY)
    standing = budget.raise_until(11, datetime(2125, 1, 1, 3, tzinfo=timezone(timedelta(hours=2))))
    assert standing.raised_until == datetime(2125, 1, 1, 1, tzinfo=UTC)
    clock.pass_s(3_599)
    assert budget.standing().raised_micro == 1_000_000
    clock.wall_s += 86_400  # a step of the clock ends nothing
    assert budget.standing().raised_micro == 1_000_000
    clock.pass_s(1)
    assert budget.standing().raised_micro == 0


def test_the_last_word_counts(stores: Stores) -> None:
    budget = CreditBudget(store=stores(Clock()), **DAY)
    budget.raise_until(20, timedelta(hours=1))
    assert budget.raise_until(12, timedelta(hours=2)).limit_micro == 12_000_000
    assert budget.raise_until(12, timedelta(hours=2)).limit_micro == 12_000_000  # twice is once
    assert budget.raise_until(10, timedelta(hours=2)).raised_until is None
    budget.raise_until(20, timedelta(hours=1))
    assert budget.set_limit(5).limit_micro == 5_000_000  # to stop means to stop
    assert budget.limit_micro == 5_000_000


@pytest.mark.parametrize(("raised_s", "room_s"), [(80_000, 77_840), (60_000, 86_480)])
def test_room_is_promised_by_the_limit_that_holds_then(stores: Stores, raised_s: int, room_s: int) -> None:
    """Half of what was spent leaves at 77,840 s: enough for a limit that is raised then, else for none."""
    clock = Clock(wall_s=1_750_032_000.0)
    budget = CreditBudget(store=stores(clock), **DAY)
    budget.settle(budget.hold("m", worst(8_000_000)), 8_000_000)
    clock.pass_s(10_000)
    budget.raise_until(16, timedelta(seconds=raised_s))
    budget.settle(budget.hold("m", worst(8_000_000)), 8_000_000)
    standing = budget._store.reserve(budget._terms, id="x", owner="o", micro=8_000_000)
    assert standing.room_in_s == room_s
    clock.pass_s(standing.room_in_s - 1)
    assert not budget._store.reserve(budget._terms, id="x", owner="o", micro=8_000_000).granted
    clock.pass_s(1)
    assert budget._store.reserve(budget._terms, id="x", owner="o", micro=8_000_000).granted


def test_a_raise_is_kept_by_the_store_and_not_by_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    budget = CreditBudget(store=path, **DAY)
    budget.raise_until(20, timedelta(hours=1))
    budget.hold("m", worst(15_000_000))
    again = pickle.loads(pickle.dumps(budget))
    assert again.standing().raised_micro == 10_000_000
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM budgets")
    db.close()
    assert again.standing().limit_micro == 10_000_000  # a store that lost its data is told what was agreed
    for each in (budget, again):
        each.close()


@pytest.mark.parametrize("store", [None, "b.sqlite"])
def test_the_asynchronous_twin(store: str | None, tmp_path: Path) -> None:
    budget = CreditBudget(store=None if store is None else tmp_path / store, **DAY)
    assert asyncio.run(budget.araise_until(20, timedelta(hours=1))).limit_micro == 20_000_000
    budget.close()


@pytest.mark.parametrize(
    ("amount", "when"),
    [
        (20, timedelta(0)),
        (20, timedelta(seconds=-1)),
        (20, datetime(2125, 1, 1)),
        (20, datetime(2025, 1, 1, tzinfo=UTC)),
        (20, "tomorrow"),
        (20, 3_600),
        (-1, timedelta(hours=1)),
        ("much", timedelta(hours=1)),
    ],
)
def test_what_is_no_raise_is_refused_before_any_io(amount: Any, when: Any) -> None:
    budget = CreditBudget(store="redis://127.0.0.1:1/0", **DAY)  # nobody is there
    with pytest.raises(InvalidInputError, match=r"when must be|limit_credits must be"):
        budget.raise_until(amount, when)


def test_waiting_calls_hear_of_a_raise() -> None:
    budget = CreditBudget(10, wait_s=20)

    async def run() -> None:
        held = budget.hold("m", worst(10_000_000))
        waiting = asyncio.create_task(budget.ahold("m", worst(5_000_000)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not budget._purse.line.is_empty
        await budget.araise_until(15, timedelta(hours=1))
        budget.settle(await asyncio.wait_for(waiting, 4), 0)
        budget.settle(held, 0)

    asyncio.run(run())
