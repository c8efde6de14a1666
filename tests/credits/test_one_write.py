"""Figure, row and whatever somebody else has to write down: in one write, or each by itself; never twice, never lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from aivideoapi_core import AsyncMessagesClient, CreditBudget, MessagesClient, SpendLedger, build_payload
from aivideoapi_core.adapter_kit import Entry, keep_books, place_of
from aivideoapi_core.sandbox import Sandbox

BODY = build_payload("claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=False, max_tokens=50)


class Books:
    """A budget and a ledger in one place, a result of somebody's own there, and how many writes there were."""

    def __init__(self, kind: str, target: Any) -> None:
        self.kind, self.target = kind, target
        self.budget = CreditBudget(10**6, store=target)
        self.ledger = SpendLedger(target)
        self.place: Any = place_of(target)

    def entry(self, text: str) -> Entry:
        if self.kind == "redis":
            return Entry(self.place, lambda pipe: pipe.hset("results", text, 1))

        def put(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO results VALUES (?)", (text,))

        return Entry(self.place, put)

    def results(self) -> list[str]:
        if self.kind == "redis":
            return [key.decode() for key in self.place.client.hkeys("results")]
        rows = self.place.run(lambda db: db.execute("SELECT text FROM results").fetchall())
        return [text for (text,) in rows]

    def count_writes(self, work: Callable[[], Any]) -> int:
        """How many transactions, or round trips that write, ``work`` takes."""
        if self.kind == "redis":
            before = self.place.client.info("commandstats")
            work()
            after = self.place.client.info("commandstats")
            names = ("cmdstat_exec", "cmdstat_evalsha")
            execs, scripts = (
                after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in names
            )
            return execs if execs else scripts
        statements: list[str] = []
        self.place.run(lambda db: db.set_trace_callback(statements.append))
        work()
        self.place.run(lambda db: db.set_trace_callback(None))
        writes, is_open = 0, False
        for statement in statements:
            is_open = statement.startswith("BEGIN") or (is_open and statement != "COMMIT")
            writes += statement == "COMMIT" or (not is_open and statement.startswith("INSERT"))
        return writes


@pytest.fixture(params=["sqlite", "redis"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    kind: str = request.param
    made = Books(kind, tmp_path / "b.sqlite" if kind == "sqlite" else request.getfixturevalue("redis_url"))
    if kind == "sqlite":
        made.place.run(lambda db: db.execute("CREATE TABLE results (text TEXT PRIMARY KEY)"))
    yield made
    made.budget.close()
    made.ledger.close()


@pytest.fixture
def client(sandbox: Sandbox, books: Books) -> Iterator[MessagesClient]:
    with MessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=books.budget, ledger=books.ledger
    ) as made:
        made.create(BODY)  # tables and scripts are there from now on
        yield made


def test_figure_and_row_are_one_write(books: Books, client: MessagesClient) -> None:
    writes = books.count_writes(lambda: client.create(BODY))
    assert writes == (2 if books.kind == "sqlite" else 1)  # SQLite: reserved, and booked with its row
    standing = books.budget.standing()
    rows = list(books.ledger.records())
    assert len(rows) == 2
    assert standing.spent_micro == sum(row.credits_micro or 0 for row in rows)


def test_a_result_goes_with_them(books: Books, client: MessagesClient) -> None:
    spent_micro = books.budget.standing().spent_micro
    with keep_books() as kept:
        client.create(BODY)
        assert books.budget.standing().reserved_micro > 0  # nothing is booked yet
        assert len(list(books.ledger.records())) == 1
        assert kept.write(books.entry("a"))
    assert books.budget.standing().reserved_micro == 0
    assert books.budget.standing().spent_micro > spent_micro
    assert len(list(books.ledger.records())) == 2
    assert books.results() == ["a"]


async def test_the_same_for_tasks(sandbox: Sandbox, books: Books, client: MessagesClient) -> None:
    async with AsyncMessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=books.budget, ledger=books.ledger
    ) as aclient:

        async def one(name: str) -> bool:
            with keep_books() as kept:
                await aclient.create(BODY)
                return await kept.awrite(books.entry(name))

        assert all(await asyncio.gather(*(one(f"r{number}") for number in range(20))))
    assert sorted(books.results()) == sorted(f"r{number}" for number in range(20))
    standing, rows = books.budget.standing(), list(books.ledger.records())
    assert (standing.reserved_micro, len(rows)) == (0, 21)
    assert standing.spent_micro == sum(row.credits_micro or 0 for row in rows)


async def test_a_task_that_is_cancelled_before_it_writes_leaves_figure_and_row(
    sandbox: Sandbox, books: Books, client: MessagesClient
) -> None:
    answered = asyncio.Event()
    async with AsyncMessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=books.budget, ledger=books.ledger
    ) as aclient:

        async def one() -> None:
            with keep_books():
                await aclient.create(BODY)
                answered.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(one())
        await answered.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for _ in range(2_000):
            if len(list(books.ledger.records())) == 2:
                break
            await asyncio.sleep(0.005)
    assert books.budget.standing().reserved_micro == 0
    assert len(list(books.ledger.records())) == 2


def test_an_entry_that_cannot_be_written_takes_nothing_with_it(books: Books, client: MessagesClient) -> None:
    def refuse(to: Any) -> None:
        raise RuntimeError("no room on this page")

    with keep_books() as kept:
        client.create(BODY)
        assert not kept.write(Entry(books.place, refuse))
    assert len(list(books.ledger.records())) == 2
    assert books.budget.standing().reserved_micro == 0


def test_another_place_is_told_and_the_books_are_written(
    books: Books, client: MessagesClient, tmp_path: Path
) -> None:
    other = place_of(tmp_path / "other.sqlite")
    assert other is not None
    wrote: list[str] = []
    with keep_books() as kept:
        client.create(BODY)
        assert kept.write(Entry(other, lambda db: wrote.append("there")))  # a write of its own, after all
    assert wrote == ["there"]
    assert len(list(books.ledger.records())) == 2
    with keep_books() as kept:
        client.create(BODY)
        assert not kept.write(None)
        assert len(list(books.ledger.records())) == 3


def test_nested_budgets_of_one_file_and_one_elsewhere(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    user, team = CreditBudget(10, store=path, name="user"), CreditBudget(10, store=path, name="team")
    run, ledger = CreditBudget(10), SpendLedger(path)
    with MessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=run.joined((user, team)), ledger=ledger
    ) as client:
        for _ in range(2):
            client.create(BODY)
        with keep_books() as kept:
            client.create(BODY)
            assert kept.write(Entry(user._store.place, lambda db: None))
    spent = {budget.standing().spent_micro for budget in (user, team, run)}
    assert spent == {sum(row.credits_micro or 0 for row in ledger.records())}
    assert all(budget.standing().reserved_micro == 0 for budget in (user, team, run))
    assert len(list(ledger.records())) == 3


PROGRAM = """
import os, signal, sys
from aivideoapi_core import CreditBudget, MessagesClient, SpendLedger, build_payload
from aivideoapi_core.adapter_kit import Entry, keep_books, place_of
url, key, target, die = sys.argv[1:]
body = build_payload("claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=False, max_tokens=50)
budget = CreditBudget(10**6, store=target, when_owner_dies="count", lease_s=60)
client = MessagesClient(api_key=key, base_url=url, budget=budget, ledger=SpendLedger(target))
place = place_of(target)
def put(db):
    db.execute("INSERT INTO results VALUES (?)", ("b",))
    if die == "inside":
        os.kill(os.getpid(), signal.SIGKILL)
with keep_books() as kept:
    client.create(body)
    if die == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    kept.write(Entry(place, put))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(("die", "there"), [("before", False), ("inside", False), ("after", True)])
def test_a_killed_process_leaves_all_of_it_or_nothing(
    sandbox: Sandbox, tmp_path: Path, die: str, there: bool
) -> None:
    path = tmp_path / "b.sqlite"
    books = Books("sqlite", path)
    books.place.run(lambda db: db.execute("CREATE TABLE results (text TEXT PRIMARY KEY)"))
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, ledger=books.ledger) as client:
        client.create(BODY)
    command = [sys.executable, "-c", PROGRAM, sandbox.url, sandbox.api_key, str(path), die]
    ended = subprocess.run(
        command, timeout=120, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert ended.returncode == -signal.SIGKILL
    standing = books.budget.standing()
    assert books.results() == (["b"] if there else [])
    assert len(list(books.ledger.records())) == 1 + there
    assert (standing.spent_micro > 0, standing.reserved_micro > 0) == (there, not there)
    books.budget.close()
    books.ledger.close()


def test_a_redis_that_forgot_its_scripts_gets_each_by_itself(sandbox: Sandbox, redis_url: str) -> None:
    books = Books("redis", redis_url)
    with MessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=books.budget, ledger=books.ledger
    ) as client:
        client.create(BODY)
        with keep_books() as kept, redis.Redis.from_url(redis_url) as own:
            client.create(BODY)
            own.script_flush()
            kept.write(books.entry("a"))
    assert books.budget.standing().reserved_micro == 0
    assert len(list(books.ledger.records())) == 2


def test_a_place_that_hangs_is_waited_for_once(
    books: Books, client: MessagesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write for both failed after a while: neither is tried by itself, and both are made up for later."""
    place, tried = books.place, []
    clock = {"s": 1_000.0}
    monkeypatch.setattr("time.monotonic", lambda: clock["s"])

    def hangs(*arguments: Any, **options: Any) -> Any:
        tried.append(None)
        clock["s"] += 5.0
        raise TimeoutError

    with keep_books() as kept:
        client.create(BODY)
        with monkeypatch.context() as away:
            away.setattr(type(place), "write", hangs)
            away.setattr(type(books.budget._store), "settle", hangs)
            away.setattr(type(books.ledger._store), "append", hangs)
            kept.write()
    assert len(tried) == 1
    clock["s"] += 60.0
    assert len(list(books.ledger.records())) == 2
    assert books.budget.standing().reserved_micro == 0
