"""A job and its budget: what it will cost, and what becomes of rows for which there is no room."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from batch_kit import FakeClock, Make, by_id, rows_of

from aivideoapi_batch import Status
from aivideoapi_core import CreditBudget, InvalidInputError
from aivideoapi_core._stores.budget_memory import MemoryStore
from aivideoapi_core.sandbox import Sandbox


def test_estimate_bounds_what_is_charged(job: Make, sandbox: Sandbox) -> None:
    batch = job(budget=CreditBudget("1.5"))
    estimate = batch.estimate(rows_of(50))
    assert sandbox.requests == []
    batch.run(rows_of(10))
    own = batch.estimate(rows_of(10))
    assert own.low is not None
    assert own.high is not None
    assert own.low.micro <= sandbox.charged_micro <= own.high.micro
    assert estimate.rows == estimate.fits_at_best == 50
    assert estimate.fits_at_worst is not None
    assert 0 < estimate.fits_at_worst < 50
    assert "surely" in str(estimate)
    assert batch.estimate(rows_of(50), available_micro=0).fits_at_best == 0
    too_long = {"id": 1, "text": "x" * 2_000_000}
    estimate = batch.estimate([too_long, *rows_of(1)], available_micro=10**7)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low.micro <= estimate.high.micro
    assert (estimate.fits_at_worst, estimate.fits_at_best) == (1, 1), "a run refuses the one and goes on"


def test_waiting_for_room_and_going_on_with_a_higher_limit(job: Make, sandbox: Sandbox) -> None:
    rows = rows_of(60)
    worst = job(budget=CreditBudget(1)).estimate(rows[:1]).high
    assert worst is not None
    limit = worst.as_decimal() * 2
    budget = CreditBudget(limit)
    batch = job("out", budget=budget)
    first = batch.run(rows)
    standing = budget.standing()
    assert 2 <= len(first) < 60
    assert {result.status for result in first} == {Status.OK}
    assert standing.spent_micro == sandbox.charged_micro <= standing.limit_micro
    assert standing.available_micro < worst.micro, "used as far as it goes"
    assert standing.reserved_micro == 0
    assert batch.report().counts.stopped == "the budget has no room for another call"
    assert batch.report().totals.unfinished_calls == 0
    results = job("out", budget=CreditBudget(100)).run(rows)
    assert len(by_id(results)) == 60 == len(sandbox.requests)


@pytest.mark.parametrize("window", ["hour", "calendar day UTC"])
def test_waiting_for_what_leaves_the_window(
    job: Make, sandbox: Sandbox, clock: FakeClock, window: Any
) -> None:
    """The job goes on when the window has room, as often as it takes, and does not end before."""
    worst = job(budget=CreditBudget(1)).estimate(rows_of(1)).high
    assert worst is not None
    clock.time_s = time.time()  # by which refusals say when there is room
    store = MemoryStore(clock=lambda: clock.time_s)
    budget = CreditBudget(worst.as_decimal() * 2, window=window, store=store)
    batch = job(budget=budget)
    results = by_id(batch.run(rows_of(60)))
    assert {result.status for result in results.values()} == {Status.OK}
    assert len(results) == 60 == len(sandbox.requests)
    assert batch.counts.stopped is None
    assert sandbox.charged_micro > budget.limit_micro
    assert max(clock.slept) > 60


def test_marking_what_does_not_fit(job: Make, sandbox: Sandbox) -> None:
    worst = job(budget=CreditBudget(1)).estimate(rows_of(1)).high
    assert worst is not None
    batch = job(budget=CreditBudget(worst.as_decimal()), options={"on_budget": "mark"})
    results = by_id(batch.run(rows_of(50)))
    refused = [result for result in results.values() if result.status is Status.REFUSED]
    assert {(result.error, result.credits_micro, result.attempts) for result in refused} == {
        ("BudgetExceededError", 0, 0)
    }
    assert len(results) == 50 == len(refused) + len(sandbox.requests)


def test_a_row_that_could_never_fit_is_marked(job: Make, sandbox: Sandbox) -> None:
    rows = rows_of(6)
    rows[2]["text"] = "long " * 20_000
    worst = job(budget=CreditBudget(1)).estimate(rows[:1]).high
    assert worst is not None
    results = by_id(job(budget=CreditBudget(worst.as_decimal() * 10)).run(rows))
    assert [results[f"r{n}"].status for n in range(6)] == ["ok", "ok", "refused", "ok", "ok", "ok"]


def test_a_budget_of_other_terms_is_refused_before_any_row(
    job: Make, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Every row used to end as failed, and to stay so; a limit is raised by ``set_limit``."""
    place, rows = tmp_path / "books.sqlite", rows_of(6)
    job(budget=CreditBudget(1, store=place)).run(rows[:3])
    later = job(budget=CreditBudget(2, store=place))
    with pytest.raises(InvalidInputError, match="set_limit"):
        later.run(rows)
    assert (len(sandbox.requests), len(list(later.results()))) == (3, 3)
    CreditBudget(1, store=place).set_limit(2)
    assert {result.status for result in later.run(rows)} == {Status.OK}
    assert len(sandbox.requests) == 6
