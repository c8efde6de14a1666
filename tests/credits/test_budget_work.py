"""How much a budget's store does for a call, beside few calls and beside thousands, alone and after a death."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from budget_kit import Clock, worst

from aivideoapi_core import BudgetExceededError, CreditBudget
from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._stores.budget_sqlite import SqliteStore
from aivideoapi_core._stores.sqlite_file import WouldWaitError, database_at


def test_redis_does_the_same_work_beside_ten_calls_and_beside_five_thousand(redis_url: str) -> None:
    """B8, counted in commands, which do not depend on the machine's mood."""
    client = redis.Redis.from_url(redis_url)
    budget = CreditBudget(10_000, window="day", store=client, wait_s=0)

    def commands() -> dict[str, int]:
        client.config_resetstat()
        budget.settle(budget.hold("m", worst(1)), 1)
        stats = client.info("commandstats")
        return {name: facts["calls"] for name, facts in stats.items() if "config" not in name}

    for _ in range(10):
        budget.hold("m", worst(1))
    few = commands()
    for number in range(5_000):
        budget._store.reserve(budget._terms, id=str(number), owner=budget._purse.owner, micro=1)
    assert budget.standing().reserved_micro == 5_010
    assert commands() == few
    assert not {"cmdstat_hgetall", "cmdstat_hvals", "cmdstat_hscan"} & few.keys()  # no sums are made anew
    client.close()


def test_sqlite_does_the_same_work_beside_ten_calls_and_beside_five_thousand(tmp_path: Path) -> None:
    """17's running sums, counted in steps of SQLite's own machine; the row of the budget does not grow either."""
    budget = CreditBudget(10_000, window="day", store=tmp_path / "b.sqlite", wait_s=0)
    database = budget._store.place
    steps: list[None] = []

    def work() -> tuple[int, int]:
        budget.settle(budget.hold("m", worst(1)), 1)
        budget.settle(budget.hold("m", worst(1)), 1)
        database.run(lambda db: db.set_progress_handler(lambda: steps.append(None), 1))
        steps.clear()
        budget.settle(budget.hold("m", worst(1)), 1)
        count = len(steps)
        database.run(lambda db: db.set_progress_handler(None, 1))
        (size,) = database.run(lambda db: db.execute("SELECT length(state) FROM budgets").fetchone())
        return count, size

    for _ in range(10):
        budget.hold("m", worst(1))
    few_steps, few_characters = work()
    for number in range(5_000):
        budget._store.reserve(budget._terms, id=str(number), owner=budget._purse.owner, micro=1)
    assert budget.standing().reserved_micro == 5_010
    many_steps, many_characters = work()
    assert many_steps == few_steps
    assert many_characters - few_characters < 200  # digits of sums, and ids that were settled since
    budget.close()


async def test_the_reservations_of_a_large_process_that_died_are_let_go_of_in_a_thread(
    tmp_path: Path,
) -> None:
    """An event loop would stand still for them."""
    now = [1_750_000_000.0]
    store = SqliteStore(tmp_path / "b.sqlite", clock=lambda: now[0])
    budget = CreditBudget(1, store=store, wait_s=0)
    for number in range(150):
        store.reserve(budget._terms, id=str(number), owner="dead", micro=1)
    now[0] += 61.0
    with pytest.raises(WouldWaitError):
        store.at_once.reserve(budget._terms, id="r", owner="alive", micro=5)
    held = await budget.ahold("m", worst(5))
    standing = await budget.astanding()
    assert (standing.expired_calls, standing.reserved_micro) == (150, 5)
    assert budget.settle_at_once(held, 5)
    budget.close()


def test_who_is_alone_with_a_file_does_not_read_it_before_each_change(tmp_path: Path) -> None:
    """And sees at once what another has written, or what was taken back with a transaction of several entries."""
    mine, other = (
        CreditBudget(store=SqliteStore(tmp_path / "b.sqlite"), limit_credits=100, wait_s=0) for _ in range(2)
    )

    def call(budget: CreditBudget) -> None:
        budget.settle(budget.hold("m", worst(2_000_000)), 1_000_000)

    asked: list[str] = []
    call(mine)
    call(mine)
    place = database_at(tmp_path / "b.sqlite")
    place.run(lambda db: db.set_trace_callback(asked.append))
    call(mine)
    assert [statement.split()[0] for statement in asked] == [
        *("BEGIN", "UPDATE", "INSERT", "COMMIT"),
        *("BEGIN", "UPDATE", "DELETE", "COMMIT"),
    ]
    running = other.hold("m", worst(95_000_000))
    with pytest.raises(BudgetExceededError, match=r"3\.000000 are spent and 95\.000000 are reserved"):
        mine.hold("m", worst(3_000_000))
    other.settle(running, 5_000_000)
    call(mine)
    call(mine)

    held = mine.hold("m", worst(90_000_000))
    [entry] = mine.settling(held, 80_000_000, unknown=False, done=lambda: None)
    with pytest.raises(ZeroDivisionError):
        place.write([entry, Entry(place, lambda db: 1 // 0)])
    assert mine.standing().reserved_micro == other.standing().reserved_micro == 90_000_000
    mine.settle(held, 80_000_000)
    mine.settle(held, 80_000_000)
    for budget in (mine, other):
        standing = budget.standing()
        assert (standing.spent_micro, standing.reserved_micro) == (90_000_000, 0)
    assert place.run(lambda db: db.execute("SELECT count(*) FROM reservations").fetchone()) == (0,)


def test_reservations_of_the_dead_are_found_by_who_was_alone_with_a_file(tmp_path: Path) -> None:
    clock = Clock()
    mine, dead = (
        CreditBudget(
            store=SqliteStore(tmp_path / "b.sqlite", clock=clock), limit_credits=100, wait_s=0, lease_s=30
        )
        for _ in range(2)
    )
    left = dead.hold("m", worst(60_000_000))
    for _ in range(4):
        mine.settle(mine.hold("m", worst(1_000_000)), 1_000_000)
    clock.pass_s(31)
    mine.settle(mine.hold("m", worst(90_000_000)), 5_000_000)
    assert mine.standing().expired_micro == 60_000_000
    dead.settle(left, 60_000_000)
    assert mine.standing().spent_micro == 69_000_000
