"""Stores that are away in the middle of a call: the answer comes, nobody waits long, and both books have it later."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from aivideoapi_core import (
    BudgetStoreError,
    CallRecord,
    CreditBudget,
    MessagesClient,
    SpendLedger,
    WorstCase,
    build_payload,
)
from aivideoapi_core._stores import ledger_waiting
from aivideoapi_core._stores.redis_link import link_to, redis_client
from aivideoapi_core._stores.sqlite_file import Database
from aivideoapi_core.sandbox import Sandbox

BODY = build_payload("claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=True, max_tokens=50)
WORST = WorstCase(input=1, output=1, micro=100)


class Book:
    """A ledger's store that is away for as long as ``is_away``, and takes no row of model ``"odd"``."""

    blocking = True

    def __init__(self) -> None:
        self.rows: list[CallRecord] = []
        self.is_away = False
        self.tries = 0

    def append(self, record: CallRecord) -> None:
        self.tries += 1
        if self.is_away or record.model == "odd":
            raise ConnectionError("away")
        self.rows.append(record)

    def records(self) -> Iterator[CallRecord]:
        return iter(self.rows)

    def close(self) -> None:
        pass


def models(book: Book) -> list[str]:
    return [row.model for row in book.rows]


@pytest.mark.parametrize("then", ["append", "records", "sums", "close"])
def test_rows_wait_for_their_store(then: str) -> None:
    book = Book()
    ledger = SpendLedger(book)
    book.is_away = True
    for model in ("a", "b"):
        ledger.append(CallRecord(model=model))
    assert not ledger.append_at_once(CallRecord(model="c"))
    book.is_away = False
    if then == "append":
        ledger.append(CallRecord(model="c"))
        assert models(book) == ["c", "a", "b"]
    else:
        {"records": ledger.records, "sums": lambda: ledger.summary, "close": ledger.close}[then]()
        assert models(book) == ["a", "b"]


def test_a_row_that_no_store_takes_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    book = Book()
    ledger = SpendLedger(book)
    ledger.append(CallRecord(model="odd"))
    book.is_away = True
    for model in ("a", "b"):
        ledger.append(CallRecord(model=model))
    for _ in range(9):
        ledger.close()  # the store is away: that says nothing of the row
    book.is_away = False
    for model in "cdefg":
        ledger.append(CallRecord(model=model))
    assert sorted(models(book)) == list("abcdefg")
    assert not ledger._waiting
    assert "a row was not written" in caplog.text


def test_rows_do_not_wait_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_waiting, "_MOST", 3)
    book = Book()
    book.is_away = True
    ledger = SpendLedger(book)
    for model in "abcde":
        ledger.append(CallRecord(model=model))
    book.is_away = False
    ledger.close()
    assert models(book) == ["a", "b", "c"]


def in_threads(work: Any, *, count: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came")


class Hanging:
    """A method of a store that hangs until ``let_go``, then fails; later calls answer."""

    def __init__(self) -> None:
        self.tries = 0
        self.came = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, *_: Any, **__: Any) -> None:
        self.tries += 1
        self.came.set()
        assert self.let_go.wait(30)
        raise ConnectionError("hung")


def test_who_waits_behind_a_store_that_hangs_does_not_wait_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty threads end their calls while the store hangs: one tries, the others leave it to the next chance."""
    budget = CreditBudget(1)
    purse = budget._purse
    held = [budget.hold("m", WORST) for _ in range(20)]
    settle, hanging = purse.store.settle, Hanging()
    monkeypatch.setattr(purse.store, "settle", hanging)
    left = iter(held)
    threads = in_threads(lambda: budget.settle(next(left), 40), count=20)
    assert hanging.came.wait(30)
    until(lambda: len(purse._waiting) == 20)
    hanging.let_go.set()
    for thread in threads:
        thread.join(30)
    assert hanging.tries < 20
    monkeypatch.setattr(purse.store, "settle", settle)
    standing = budget.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (800, 0)


class SlowClock:
    """A clock that shows what passes only where somebody waits for a store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        for name in ("outage", "purse", "ledger_waiting"):
            monkeypatch.setattr(f"aivideoapi_core._stores.{name}.time", self)

    def monotonic(self) -> float:
        return self.now_s


@pytest.mark.parametrize(("hangs_s", "tries"), [(5.0, 1), (0.01, 8)])
def test_a_store_that_hung_is_not_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch, hangs_s: float, tries: int
) -> None:
    """Or the answers of all who end meanwhile would be late. One that fails at once is asked each time."""
    clock, book = SlowClock(monkeypatch), Book()
    budget, ledger = CreditBudget(1), SpendLedger(book)
    store, asked = budget._purse.store, []
    held = [budget.hold("m", WORST) for _ in range(8)]

    def away(*_: Any, **__: Any) -> Any:
        asked.append(1)
        clock.now_s += hangs_s
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "settle", away)
        patch.setattr(book, "append", away)
        for number, one in enumerate(held):
            budget.settle(one, 40)
            ledger.append(CallRecord(model=str(number)))
    assert len(asked) == 2 * tries
    assert (budget.standing().spent_micro, budget.standing().reserved_micro) == (320, 0)
    assert [row.model for row in ledger.records()] == list("01234567")


def test_threads_behind_one_that_a_locked_file_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "book.sqlite")
    assert database.run(lambda db: 1) == 1
    hanging = Hanging()
    tried: list[Any] = []

    def locked(db: sqlite3.Connection) -> None:
        try:
            hanging()
        except ConnectionError:
            raise sqlite3.OperationalError("database is locked") from None

    def run() -> None:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            database.run(locked)
        tried.append(True)

    first = in_threads(run, count=1)
    assert hanging.came.wait(30)
    others = in_threads(run, count=4)
    until(lambda: all(thread.is_alive() for thread in others))
    hanging.let_go.set()
    for thread in (*first, *others):
        thread.join(30)
    assert len(tried) == 5
    assert database.run(lambda db: 2) == 2  # who comes afterwards asks for himself
    database.close()


def test_a_file_that_was_read_only_when_it_was_opened(tmp_path: Path) -> None:
    """SQLite opens it read-only, and such a connection stays so."""
    opened: list[sqlite3.Connection] = []
    database = Database(tmp_path / "book.sqlite")
    database.run(lambda db: db.execute("CREATE TABLE rows (id)"), opened.append)
    database.run(lambda db: db.execute("PRAGMA query_only = 1"))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.run(lambda db: db.execute("INSERT INTO rows VALUES (1)"))
    database.run(lambda db: db.execute("INSERT INTO rows VALUES (2)"), opened.append)
    assert len(opened) == 2
    database.close()


def test_a_server_that_hangs_is_waited_for_so_long() -> None:
    patient = redis_client("redis://127.0.0.1:1/0", argument="store").connection_pool.connection_kwargs
    assert (patient["socket_timeout"], patient["socket_connect_timeout"]) == (5.0, 5.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0?socket_timeout=0.02"
        budget = CreditBudget(1, store=url)
        with pytest.raises(BudgetStoreError):
            budget.hold("m", WORST)
        SpendLedger(url).append(CallRecord(model="m"))


FAULTS = {
    "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "scripts forgotten": (("SCRIPT", "FLUSH"), ("PING",)),
    "all forgotten": (("FLUSHALL",), ("PING",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_redis_that_fails_in_the_middle_of_a_call(sandbox: Sandbox, redis_url: str, fault: str) -> None:
    breaks, mends = FAULTS[fault]
    budget, ledger = CreditBudget(100, store=redis_url), SpendLedger(redis_url)
    with (
        redis.Redis.from_url(redis_url) as server,
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=ledger) as client,
    ):
        try:
            with client.stream(BODY) as stream:
                events = iter(stream)
                next(events)
                server.execute_command(*breaks)
                assert list(events)
            assert stream.reply.message["stop_reason"] == "end_turn"
            if fault in ("full", "read-only"):
                with pytest.raises(BudgetStoreError):
                    client.create({**BODY, "stream": False})
        finally:
            server.execute_command(*mends)
        (row,) = ledger.records()
        standing = budget.standing()
    assert len(sandbox.requests) == 1
    assert (standing.spent_micro, standing.reserved_micro) == (row.credits_micro, 0)
    budget.close()
    ledger.close()


def test_a_budget_that_is_closed_leaves_the_connections_of_others(redis_url: str) -> None:
    """All budgets and ledgers of one URL share a pool; what one of them waits for is not cut off by another's end."""
    other, link = CreditBudget(1, store=redis_url, name="other"), link_to(redis_url, argument="store")
    other.standing()
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(link.client.blpop("list", 0)))
    waiting.start()
    with redis.Redis.from_url(redis_url) as server:
        while not server.info("clients")["blocked_clients"]:
            pass
        other.close()
        server.rpush("list", "x")
    waiting.join()
    assert answers == [(b"list", b"x")]


def test_a_ledgers_key_that_held_something_else(redis_url: str) -> None:
    """Redis undoes nothing of a script that fails half way: the row is written later all the same, once."""
    ledger = SpendLedger(redis_url)
    record = CallRecord(model="m")
    with redis.Redis.from_url(redis_url) as server:
        server.set("aivideoapi:ledger:{default}", "somebody else's")
        ledger.append(record)
        server.delete("aivideoapi:ledger:{default}")
    ledger.append(record)
    assert [row.call_id for row in ledger.records()] == [record.call_id]
    ledger.close()
