"""Stores of earlier and of newer releases: what is taken over, and what is left alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from budget_kit import Clock, Stores, worst

from aivideoapi_core import BudgetStoreError, CreditBudget
from aivideoapi_core._stores.budget_redis import RedisStore
from aivideoapi_core._stores.budget_sqlite import SqliteStore


@pytest.mark.parametrize("page_size", [None, 4096])
def test_new_files_have_small_pages_and_older_ones_keep_theirs(page_size: int | None, tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    if page_size is not None:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL)")
        db.close()
    budget = CreditBudget(1, store=path)
    budget.settle(budget.hold("m", worst(5)), 5)
    budget.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA page_size").fetchone() == (page_size or 2048,)
    db.close()


FIRST = {  # as the release before formats wrote it, with half an hour of a budget by the day
    "spent": {str((1_750_000_000 // 1440) - 1): 40, str(1_750_000_000 // 1440): 20},
    "held": {"r1": ["old owner", 5]},
    "leases": {"old owner": 1_750_000_030.0},
    "expired": ["r0"],
    "unknown_calls": 1,
    "unknown_micro": 20,
    "expired_calls": 2,
    "expired_micro": 30,
}


@pytest.fixture(params=["sqlite", "redis"])
def first_release(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Stores, Callable[[], Any]]:
    """Stores of a budget that an earlier release kept, and what that release would read there now."""
    if request.param == "sqlite":
        path = tmp_path / "b.sqlite"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID")
            db.execute("INSERT INTO budgets VALUES ('default', ?)", (json.dumps(FIRST),))
        db.close()

        def read_state() -> Any:
            with sqlite3.connect(path) as db:
                (text,) = db.execute("SELECT state FROM budgets").fetchone()
            db.close()
            return json.loads(text)["spent"]

        return lambda clock: SqliteStore(path, clock=clock), read_state
    url = request.getfixturevalue("redis_url")
    client = redis.Redis.from_url(url)
    prefix = "aivideoapi:budget:{default}:"
    client.hset(prefix + "spent", mapping=FIRST["spent"])
    client.hset(prefix + "held", "r1", "5 old owner")
    client.zadd(prefix + "leases", {"old owner": 1_750_000_030.0})
    client.hset(prefix + "facts", mapping={name: FIRST[name] for name in FIRST if "_" in name})
    return lambda clock: RedisStore(client, clock=clock), lambda: client.hgetall(prefix + "spent")


@pytest.mark.parametrize("window", ["day", "hour", None])
def test_what_an_earlier_release_kept_is_taken_over(
    first_release: tuple[Stores, Callable[[], Any]], window: Any
) -> None:
    """With whatever window: nothing of it is forgotten before a window has passed."""
    make, earlier_reads = first_release
    clock = Clock()
    budget = CreditBudget(1, store=make(clock), window=window, wait_s=0)
    standing = budget.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (60, 5)
    assert (standing.unknown_micro, standing.expired_micro) == (20, 30)
    clock.pass_s(61)
    standing = budget.standing()
    # Its call ran, and what it cost can be settled by nobody: that release is refused.
    assert (standing.spent_micro, standing.reserved_micro, standing.expired_micro) == (65, 0, 35)
    if window is not None:
        clock.pass_s(2 * 86_400)
        assert budget.standing().spent_micro == 0
    with pytest.raises((KeyError, redis.ResponseError)):
        earlier_reads()  # it refuses its calls, and cannot pass the limit


def test_what_a_newer_release_adds_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    budget = CreditBudget(1, store=path, wait_s=0)
    budget.settle(budget.hold("m", worst(7)), 7)
    budget.close()
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT state FROM budgets").fetchone()
        assert db.execute("PRAGMA user_version").fetchone()[0] >= 2
        db.execute("ALTER TABLE budgets ADD COLUMN colour TEXT")
        db.execute("UPDATE budgets SET state = ?", (json.dumps({**json.loads(text), "colour": "blue"}),))
    db.close()
    budget.settle(budget.hold("m", worst(7)), 7)
    assert budget.standing().spent_micro == 14
    budget.close()
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT state FROM budgets").fetchone()
        assert json.loads(text)["colour"] == "blue"
        db.execute("UPDATE budgets SET state = ?", (json.dumps({**json.loads(text), "version": 99}),))
    db.close()
    with pytest.raises(BudgetStoreError, match=r"newer release .*99"):
        budget.hold("m", worst(7))
    budget.close()


@pytest.mark.parametrize("version", [2, 3])
def test_reservations_of_the_releases_that_kept_them_in_one_row_become_rows(
    version: int, tmp_path: Path
) -> None:
    """As the release of the format wrote it, in its own table; its keys go, whatever a newer one added stays."""
    clock = Clock()
    path = tmp_path / "b.sqlite"
    kept = {
        "version": version,
        "terms": {"limit_micro": 1_000, "window_s": None, "soft": False}
        | ({"calendar": "calendar day UTC"} if version == 3 else {}),
        "time": {"now": clock.wall_s, "awake": clock.wall_s, "wall": clock.wall_s, "boots": {}},
        "pieces": {"0": [100, 0, 0, 0, 0]},
        "held": {"r1": ["alive", 5], "r2": ["dead", 7], "r3": ["dead", 8]},
        "leases": {"alive": clock.wall_s + 60, "dead": clock.wall_s - 1, "idle": clock.wall_s + 60},
        "expired": {"r0": True},
        "settled": ["s1"],
        "waiting": {},
        "colour": "blue",
    }
    if version == 3:
        kept["opened"] = [clock.wall_s - 60, clock.wall_s + 3_600, clock.wall_s + 3_600]
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID")
        db.execute("INSERT INTO budgets VALUES ('default', ?)", (json.dumps(kept),))
    db.close()
    store = SqliteStore(path, clock=clock)
    looked = store.look()
    assert looked is not None
    terms, before = looked
    assert (before.spent_micro, before.reserved_micro) == (100, 20)
    assert store.standing(terms).reserved_micro == 5
    for id, micro in (("r0", 50), ("r1", 5), ("r2", 7), ("s1", 900)):
        standing = store.settle(terms, id=id, micro=micro, unknown=False)
    assert (standing.spent_micro, standing.reserved_micro, standing.expired_micro) == (112, 0, 15)
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT state FROM budgets").fetchone()
    db.close()
    facts = json.loads(text)
    assert facts["version"] == 4  # the earlier release refuses it by this
    assert facts["colour"] == "blue"
    assert not {"held", "leases", "expired"} & facts.keys()
    store.close()
