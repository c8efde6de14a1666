"""Thresholds: said once in a window, by whoever passed them, and never in a call's way."""

from __future__ import annotations

import asyncio
import logging
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from budget_kit import Clock, Stores

from aivideoapi_core import CreditBudget, InvalidInputError, ThresholdPassed, WorstCase
from aivideoapi_core._stores import budget_thresholds

DAY: dict[str, Any] = {"limit_credits": 10, "window": "calendar day", "wait_s": 0}


def spend(budget: CreditBudget, credits_micro: int) -> None:
    budget.settle(budget.hold("m", WorstCase(input=1, output=1, micro=credits_micro)), credits_micro)


def all_told() -> None:
    for thread in list(budget_thresholds._running):
        thread.join(10)


class Told:
    """Remembers what it was told, and in which thread."""

    def __init__(self) -> None:
        self.events: list[ThresholdPassed] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, passed: ThresholdPassed) -> None:
        self.events.append(passed)
        self.threads.add(threading.current_thread())

    @property
    def shares(self) -> list[float]:
        all_told()
        return [event.share for event in self.events]


def test_once_in_a_window_for_all_who_share_it(stores: Stores) -> None:
    clock = Clock(wall_s=datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp())
    told = Told()
    one, other = (CreditBudget(store=stores(clock), on_threshold=told, **DAY) for _ in range(2))
    spend(one, 7_900_000)
    assert told.shares == []
    spend(other, 100_000)
    assert told.shares == [0.8]
    assert told.events[0] == ThresholdPassed(
        budget="default",
        share=0.8,
        spent_micro=8_000_000,
        limit_micro=10_000_000,
        window_end=datetime(2026, 11, 27, tzinfo=UTC),
    )
    assert told.threads.isdisjoint({threading.main_thread()})
    spend(one, 100_000)
    spend(other, 1_900_000)
    assert told.shares == [0.8, 0.95]
    clock.pass_s(12 * 3_600)
    spend(one, 9_900_000)
    assert told.shares == [0.8, 0.95, 0.8, 0.95]


@pytest.mark.parametrize(("window", "again"), [(None, []), ("day", [0.5])])
def test_in_a_window_that_slides_once_in_its_length(stores: Stores, window: Any, again: list[float]) -> None:
    clock = Clock()
    told = Told()
    budget = CreditBudget(10, window=window, store=stores(clock), on_threshold={0.5: told}, wait_s=0)
    spend(budget, 5_000_000)
    for _ in range(3):
        clock.pass_s(86_400 / 4)
        spend(budget, 1_000_000)
    assert told.shares == [0.5]
    clock.pass_s(86_400 / 4)
    spend(budget, 1_000_000)
    clock.pass_s(86_400 / 4)
    assert told.shares == [0.5, *again]


def test_another_limit_can_be_passed_again(stores: Stores) -> None:
    told = Told()
    budget = CreditBudget(store=stores(Clock()), on_threshold={0.8: told}, **DAY)
    spend(budget, 8_000_000)
    budget.raise_until(20, timedelta(hours=1))
    spend(budget, 1_000_000)
    assert told.shares == [0.8]
    spend(budget, 7_000_000)
    budget.set_limit(18)  # 16 of 18 are spent: it stays passed
    spend(budget, 1)
    assert told.shares == [0.8, 0.8]


def test_shares_alone_are_logged(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    budget = CreditBudget(store=stores(Clock()), on_threshold=(0.95, 0.8), name="default", **DAY)
    with caplog.at_level(logging.WARNING, "aivideoapi"):
        spend(budget, 9_500_000)
        spend(budget, 100_000)
    assert [record.getMessage()[:51] for record in caplog.records] == [
        "budget 'default' has passed 80 %: 9.500000 of 10.00",
        "budget 'default' has passed 95 %: 9.500000 of 10.00",
    ]


def test_a_handler_that_fails_or_hangs_is_in_nobodys_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    told = Told()

    def hangs(_: ThresholdPassed) -> None:
        go_on.wait(30)
        raise ValueError("boom")

    budget = CreditBudget(
        store=tmp_path / "b.sqlite",
        on_threshold={0.5: hangs, 0.6: told, 0.9: lambda _: budget.standing()},
        **DAY,
    )

    async def call(micro: int) -> None:
        held = await budget.ahold("m", WorstCase(input=1, output=1, micro=micro))
        if not budget.settle_at_once(held, micro):
            await asyncio.to_thread(budget.settle, held, micro)

    asyncio.run(call(6_000_000))
    asyncio.run(call(3_500_000))
    assert budget.standing().spent_micro == 9_500_000
    go_on.set()
    assert told.shares == [0.6]
    assert "a handler of on_threshold failed" in caplog.text
    assert "boom" in caplog.text
    budget.close()


def test_bookings_that_waited_for_the_store_are_told_of_too(tmp_path: Path, monkeypatch: Any) -> None:
    told = Told()
    budget = CreditBudget(store=tmp_path / "b.sqlite", on_threshold={0.5: told}, **DAY)
    held = budget.hold("m", WorstCase(input=1, output=1, micro=6_000_000))
    with monkeypatch.context() as patch:
        patch.setattr(budget._store, "settle", lambda *_, **__: 1 / 0)
        budget.settle(held, 6_000_000)
    assert told.shares == []
    budget.standing()
    assert told.shares == [0.5]
    budget.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_sixteen_processes_pass_it_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """And what the last one of them was told comes out though its process ends at once."""
    store = str(tmp_path / "b.sqlite") if kind == "sqlite" else request.getfixturevalue("redis_url")
    program = (  # what the sixteen import, one of them imports for all; each ends as a program of its own
        "import gc, os, sys\n"
        "from aivideoapi_core import CreditBudget, WorstCase\n"
        "import redis\n"
        "gc.freeze()  # at the end of each nobody looks through what was imported\n"
        "children = []\n"
        "while len(children) < 15 and (not children or children[-1]): children.append(os.fork())\n"
        "def told(passed): print(passed.share, flush=True)\n"
        "budget = CreditBudget(16, window='calendar day', store=sys.argv[1], on_threshold={0.5: told, 1.0: told})\n"
        "for _ in range(4):\n"
        "    held = budget.hold('m', WorstCase(input=1, output=1, micro=250_000))\n"
        "    budget.settle(held, 250_000)\n"
        "if all(children):\n"
        "    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 15\n"
    )
    command = [sys.executable, "-c", program, store]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, sorted(done.stdout.split())) == (0, ["0.5", "1.0"]), done.stderr


def test_handlers_go_over_a_pickle(tmp_path: Path) -> None:
    budget = CreditBudget(store=tmp_path / "b.sqlite", on_threshold=(0.8,), **DAY)
    again = pickle.loads(pickle.dumps(budget))
    assert again._terms.thresholds == (0.8,)


async def _coroutine(_: ThresholdPassed) -> None: ...


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((80, 95), "more than 0 and at most 1"),
        ((0.8, 0), "more than 0 and at most 1"),
        ((True,), "more than 0 and at most 1"),
        (("0.8",), "more than 0 and at most 1"),
        (0.8, r"\(0.8, 0.95\)"),
        ("0.8", r"\(0.8, 0.95\)"),
        ({0.8: "warn"}, "functions by share"),
        (_coroutine, "a plain function"),
        ({0.8: _coroutine}, "a plain function"),
    ],
)
def test_what_is_no_threshold_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        CreditBudget(1, on_threshold=given)
