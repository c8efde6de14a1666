"""What a budget's store keeps: its terms, its time whatever the clocks do, and figures after a loss."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import redis
from budget_kit import Clock, Stores, worst

from aivideoapi_core import BudgetExceededError, BudgetStoreError, CreditBudget, InvalidInputError
from aivideoapi_core._stores.budget_redis import RedisStore

TERMS: dict[str, Any] = {"limit_credits": 100, "window": "day", "wait_s": 0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window": "hour"}, r"window=86400 seconds, not window=3600 seconds"),
        ({"window": None}, r"window=86400 seconds, not window=None"),
        ({"limit_credits": 200}, r"limit_credits=100, not limit_credits=200: .*set_limit"),
        ({"soft": True}, r"soft=False, not soft=True"),
    ],
)
def test_other_terms_are_refused_and_what_was_spent_stays(
    stores: Stores, change: dict[str, Any], said: str
) -> None:
    """B1."""
    clock = Clock()
    first = CreditBudget(store=stores(clock), **TERMS)
    first.settle(first.hold("m", worst(60_000_000)), 60_000_000)
    other = CreditBudget(store=stores(clock), **{**TERMS, **change})
    for use in (other.standing, lambda: other.hold("m", worst(1))):
        with pytest.raises(InvalidInputError, match=said):
            use()
    same = CreditBudget(store=stores(clock), **TERMS)
    assert same.standing() == first.standing()
    assert same.standing().spent_micro == 60_000_000


def test_a_limit_is_moved_for_all_who_share_it(stores: Stores) -> None:
    clock = Clock()
    first = CreditBudget(store=stores(clock), **TERMS)
    other = CreditBudget(store=stores(clock), **TERMS)
    other.settle(other.hold("m", worst(100_000_000)), 100_000_000)
    with pytest.raises(BudgetExceededError):
        other.hold("m", worst(1))
    first.set_limit(150)
    other.settle(other.hold("m", worst(50_000_000)), 1)
    assert other.limit_micro == first.limit_micro == 150_000_000
    late = CreditBudget(store=stores(clock), **{**TERMS, "limit_credits": 150})
    assert late.standing().spent_micro == 100_000_001


@pytest.mark.parametrize("step_s", [-10 * 86_400.0, -3_600.0, 3_600.0, 10 * 86_400.0])
def test_a_step_of_the_wall_clock_frees_and_forgets_nothing(stores: Stores, step_s: float) -> None:
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    budget.settle(budget.hold("m", worst(30_000_000)), 30_000_000)
    running = budget.hold("m", worst(50_000_000))
    clock.wall_s += step_s
    other = CreditBudget(store=stores(clock), **TERMS)
    standing = other.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (30_000_000, 50_000_000)
    other.settle(other.hold("m", worst(10_000_000)), 10_000_000)
    budget.settle(running, 50_000_000)
    clock.wall_s -= step_s
    clock.pass_s(86_400 / 2)
    assert other.standing().spent_micro == 90_000_000
    clock.pass_s(86_400 / 2 + 86_400 / 60)
    assert other.standing().spent_micro == 0  # what was booked meanwhile does not stay there either


def test_sleep_ends_windows_but_no_leases(stores: Stores) -> None:
    """A laptop that wakes: its processes were asleep with it."""
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    budget.settle(budget.hold("m", worst(30_000_000)), 30_000_000)
    budget.hold("m", worst(50_000_000))
    clock.since_boot_s += 2 * 86_400
    clock.wall_s += 2 * 86_400
    standing = CreditBudget(store=stores(clock), **TERMS).standing()
    assert (standing.spent_micro, standing.reserved_micro) == (0, 50_000_000)


def test_a_restart_ends_leases_and_keeps_what_was_spent(stores: Stores) -> None:
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    if not budget._store.shared:
        return
    budget.settle(budget.hold("m", worst(30_000_000)), 30_000_000)
    budget.hold("m", worst(50_000_000))
    after = Clock(boot="two", awake_s=20.0, since_boot_s=20.0, wall_s=clock.wall_s + 120)
    again = CreditBudget(store=stores(after), **TERMS)
    assert (again.standing().spent_micro, again.standing().reserved_micro) == (30_000_000, 50_000_000)
    after.pass_s(31)  # not at once: this could be another machine, after the wall clock was set
    standing = again.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (30_000_000, 0)
    assert standing.expired_micro == 50_000_000


def test_a_machine_that_joins_after_the_clock_was_set_frees_no_running_call(stores: Stores) -> None:
    """Redis' clock was set while a call runs on one machine, and then another machine makes its first call."""
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    if not budget._store.shared:
        return
    running = budget.hold("m", worst(50_000_000))
    clock.pass_s(20)  # a lease is renewed three times in its length
    for number in range(5):  # each is met once more
        other = Clock(
            boot=f"other {number}", awake_s=7.0, since_boot_s=7.0, wall_s=clock.wall_s + 3_600 + number
        )
        assert CreditBudget(store=stores(other), **TERMS).standing().reserved_micro == 50_000_000
    budget._store.renew(budget._terms, owner=budget._purse.owner)
    clock.pass_s(50)
    assert budget.standing().reserved_micro == 50_000_000
    budget.settle(running, 40_000_000)
    assert (budget.standing().spent_micro, budget.standing().expired_calls) == (40_000_000, 0)


def test_machines_whose_clocks_since_boot_differ_share_one_time(stores: Stores) -> None:
    clock = Clock()
    other = Clock(boot="two", awake_s=900_000.0, since_boot_s=900_000.0)
    one = CreditBudget(store=stores(clock), **TERMS)
    two = CreditBudget(store=stores(other), **TERMS)
    one.hold("m", worst(50_000_000))
    for _ in range(4):
        for each in (clock, other):
            each.pass_s(15)
        if one._store.shared:
            one._store.renew(one._terms, owner=one._purse.owner)
        assert two.standing().reserved_micro == 50_000_000


def test_unknown_and_expired_amounts_leave_the_window_too(stores: Stores) -> None:
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    budget.settle(budget.hold("m", worst(7)), 7, unknown=True)
    if budget._store.shared:
        budget.hold("m", worst(9))
        clock.pass_s(61)
        assert budget.standing().expired_micro == 9
    assert (budget.standing().unknown_calls, budget.standing().unknown_micro) == (1, 7)
    clock.pass_s(2 * 86_400)
    standing = budget.standing()
    assert (standing.unknown_calls, standing.unknown_micro) == (0, 0)
    assert (standing.expired_calls, standing.expired_micro) == (0, 0)


@pytest.mark.parametrize("loss", ["all", "the row", "the file", "the log", "all logs"])
def test_a_store_that_lost_its_data_books_what_is_known(loss: str, tmp_path: Path, redis_url: str) -> None:
    path = tmp_path / "b.sqlite"
    for store in (path, redis_url):
        budget = CreditBudget(1, store=store, wait_s=0)
        running = budget.hold("m", worst(500_000))
        if store is path and loss == "the file":
            for file in tmp_path.iterdir():
                file.unlink()
        elif store is path and loss in ("the log", "all logs"):
            for file in tmp_path.glob("*-wal" if loss == "the log" else "*-*"):
                file.unlink()
        elif store is path:
            with sqlite3.connect(path) as db:
                db.execute("DELETE FROM budgets")
            db.close()
        else:
            with redis.Redis.from_url(redis_url) as client:
                client.flushall()
        budget.settle(running, 300_000)
        budget.settle(running, 300_000)  # a repeated message changes nothing
        assert budget.standing().spent_micro == 300_000
        assert budget.standing().limit_micro == 1_000_000
        if store is path:
            with sqlite3.connect(path) as db:  # as another process sees it, while this one has it open
                (text,) = db.execute("SELECT state FROM budgets").fetchone()
            db.close()
            assert json.loads(text)["pieces"]["0"][0] == 300_000
        budget.close()


@pytest.mark.parametrize(
    "part", ["facts", "pieces", "held", "owners", "leases", "late", "settled", "line", "boots", "calls"]
)
def test_a_part_that_redis_evicted_leaves_no_debt_and_no_credit(part: str, redis_url: str) -> None:
    """What is left of a budget is made good when its leases and its window are over, and lets nobody pass the limit."""
    clock = Clock()
    budget = CreditBudget("0.001", store=RedisStore(redis_url, clock=clock), window="hour", wait_s=0)
    budget.settle(budget.hold("m", worst(100)), 100)
    held = [budget.hold("m", worst(100)) for _ in range(3)]
    with redis.Redis.from_url(redis_url) as client:
        client.delete(f"aivideoapi:budget:{{default}}:v2:{part}")
    budget.settle(held.pop(), 50)
    assert budget.standing().reserved_micro >= (0 if part == "facts" else 200)
    budget.settle(held.pop(), 50)
    assert budget.standing().reserved_micro >= 0
    if part != "leases":  # what nobody holds by a lease any more comes back with its owner's next call
        clock.pass_s(61)
        budget.standing()
        assert budget.standing().reserved_micro == 0
    clock.pass_s(2 * 3_600)
    assert budget.standing().spent_micro == 0
    budget.close()


def test_a_call_above_its_bound_is_said_and_reserved_for_from_then_on(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    budget = CreditBudget(store=stores(Clock()), **TERMS)
    budget.settle(budget.hold("m", worst(100)), 130)
    assert caplog.text.count("its worst case was none") == 1
    held = budget.hold("m", worst(200))
    assert budget.standing().reserved_micro == 230
    budget.settle(held, 230)
    other = budget.hold("another model", worst(200))
    assert budget.standing().reserved_micro == 200
    budget.settle(other, 0)
    assert caplog.text.count("its worst case was none") == 1


def test_a_full_disk_is_named_and_what_is_known_is_booked_later(tmp_path: Path) -> None:
    """SQLite ends the transaction by itself then: what is told is the disk, not that there was nothing to undo."""
    budget = CreditBudget(100, store=tmp_path / "b.sqlite", wait_s=0)
    running = budget.hold("m", worst(500_000))

    def limit_pages(pages: int) -> None:
        database = budget._store.place
        database.run(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    limit_pages(1)
    with pytest.raises(BudgetStoreError, match="full"):
        _ = [budget.hold("m", worst(1)) for _ in range(500)]
    budget.settle(running, 300_000)
    limit_pages(10_000)
    assert budget.standing().spent_micro == 300_000
    budget.close()
