"""Forked children: gunicorn --preload, Celery prefork, multiprocessing. No lock is lost, no call is booked twice."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_core import (
    CreditBudget,
    MessagesClient,
    Outcome,
    SpendLedger,
    SpendTracker,
    WorstCase,
    build_payload,
)
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._stores import from_environment, sqlite_file
from aivideoapi_core._stores.sqlite_ghosts import GHOSTS, mutexes
from aivideoapi_core.sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def in_child(work: Callable[[], Any]) -> int:
    """The exit status of a forked child that does ``work``; it says where it hangs, and is killed then."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            faulthandler.dump_traceback_later(30, file=sys.__stderr__)
            work()
            status = 0
        finally:
            os._exit(status)
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -99


@contextmanager
def held(lock: Any) -> Iterator[None]:
    """Another thread holds ``lock``."""
    taken, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            let_go.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(30)
    yield
    let_go.set()
    thread.join(30)


def worst(micro: int) -> WorstCase:
    return WorstCase(input=1, output=1, micro=micro)


def payload(*, stream: bool) -> dict[str, Any]:
    return build_payload(
        "claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=stream, max_tokens=50
    )


@pytest.fixture
def books(tmp_path: Path) -> tuple[CreditBudget, SpendLedger]:
    return CreditBudget(1_000, store=tmp_path / "b.sqlite"), SpendLedger(tmp_path / "l.sqlite")


@pytest.fixture
def client(sandbox: Sandbox, books: tuple[CreditBudget, SpendLedger]) -> Iterator[MessagesClient]:
    budget, ledger = books
    with MessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=ledger
    ) as client:
        client.create(payload(stream=False))
        yield client


def test_calls_of_the_parent_are_the_parents(
    client: MessagesClient, books: tuple[CreditBudget, SpendLedger]
) -> None:
    """One is open, one was dropped and is still to be booked; the child finishes neither."""
    budget, ledger = books
    dropped = client.stream(payload(stream=True))
    dropped.__enter__()
    del dropped
    gc.collect()
    assert DROPPED
    with client.stream(payload(stream=True)) as stream:
        events = iter(stream)
        next(events)

        def work() -> None:
            assert not DROPPED
            stream.close()
            stream.__del__()
            assert not DROPPED
            client.create(payload(stream=False))

        assert in_child(work) == 0
        for _ in events:
            pass
        cost = stream.reply.credits_computed
    assert cost is not None
    client.create(payload(stream=False))
    rows = list(ledger.records())
    assert sorted(row.outcome for row in rows) == [Outcome.LOST, *[Outcome.OK] * 4]
    standing = budget.standing()
    assert (standing.reserved_micro, standing.unknown_calls) == (0, 1)
    known = sum(row.credits_micro if row.outcome is Outcome.OK else row.at_most_micro for row in rows)
    assert standing.spent_micro == known


def test_a_child_ends_while_a_thread_of_the_parent_closes_connections(client: MessagesClient) -> None:
    pool = client._pool().close.__self__._pool
    (closer,) = (one for one in list(weakref.finalize._registry) if (of := one.peek()) and of[0] is client)
    with held(pool._optional_thread_lock):
        assert in_child(closer) == 0
        assert in_child(lambda: client.create(payload(stream=False))) == 0


def test_a_tracker_whose_sums_are_being_made(client: MessagesClient) -> None:
    tracker = SpendTracker()
    with held(tracker._lock):
        assert in_child(lambda: tracker.summary.calls) == 0
    assert tracker.summary.calls == 0


def test_figures_of_a_reply_have_no_lock() -> None:
    assert not hasattr(vars(Reply)["tokens"], "lock")  # functools.cached_property has one on Python 3.11
    assert Reply.tokens.__doc__


def test_the_environments_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIVIDEOAPI_BUDGET", "10")
    with held(from_environment._kept.lock):
        assert in_child(from_environment.default_budget) == 0


def test_a_child_goes_on_when_its_parent_has_closed_the_file(tmp_path: Path) -> None:
    """With a connection that it inherited, the child would write into a log that nobody else looks at."""
    budget = CreditBudget(1, store=tmp_path / "b.sqlite")

    def book() -> None:
        budget.settle(budget.hold("m", worst(1)), 1)

    book()
    (from_child, to_parent), (from_parent, to_child) = os.pipe(), os.pipe()

    def meanwhile() -> None:
        os.read(from_child, 1)
        budget.close()
        book()
        os.write(to_child, b".")
        os.read(from_child, 1)
        book()

    def work() -> None:
        book()
        os.write(to_parent, b".")
        os.read(from_parent, 1)
        book()
        os.write(to_parent, b".")

    parent = threading.Thread(target=meanwhile)
    parent.start()
    status = in_child(work)
    os.write(to_parent, b"..")  # for a child that came to nothing
    parent.join(30)
    assert status == 0
    assert budget.standing().spent_micro == 5
    for end in (from_child, to_parent, from_parent, to_child):
        os.close(end)


@pytest.mark.skipif(mutexes() is None, reason="SQLite's functions cannot be found")
def test_a_fork_while_a_thread_is_inside_sqlite(tmp_path: Path) -> None:
    budget, inside = CreditBudget(1, store=tmp_path / "b.sqlite"), mutexes()

    def work() -> None:
        assert [inside._try(mutex) for mutex in inside._all] == [0] * len(inside._all)
        GHOSTS._begin_in_child()
        budget.settle(budget.hold("m", worst(7)), 7)

    assert in_child(work) == 0
    assert budget.standing().spent_micro == 7


def test_connections_of_a_dropped_database_are_not_closed_while_a_thread_forks(tmp_path: Path) -> None:
    budget = CreditBudget(1, store=tmp_path / "b.sqlite")
    budget.standing()
    connections = budget._store.place._all
    with held(sqlite_file._CLOSER._lock):
        del budget
        gc.collect()
        assert connections
    DROPPED.do()
    assert not connections


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_a_fork_while_a_thread_holds_every_lock(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: Any = {"memory": None, "sqlite": tmp_path / "b.sqlite"}.get(kind)
    if kind == "redis":
        store = request.getfixturevalue("redis_url")
    budget = CreditBudget(1, store=store, wait_s=0)
    budget.settle(budget.hold("m", worst(5)), 5)
    running = budget.hold("m", worst(100))
    purse = budget._purse
    locks: list[Any] = [purse._lock, purse._booking_lock, purse.line._lock]
    inner = budget._store
    for owner in (inner, getattr(inner, "place", None)):
        locks += [getattr(owner, name) for name in ("_lock", "_quick_lock") if hasattr(owner, name)]
    taken, let_go = threading.Event(), threading.Event()

    def hold_all() -> None:
        for lock in locks:
            lock.acquire()
        taken.set()
        let_go.wait(30)
        for lock in locks:
            lock.release()

    holder = threading.Thread(target=hold_all)
    holder.start()
    taken.wait(30)

    def work() -> None:
        budget.settle(budget.hold("m", worst(7)), 7)
        # The parent's call is the parent's; in memory the child has a copy without it.
        assert budget.standing().reserved_micro == (0 if kind == "memory" else 100)
        assert budget.standing().spent_micro == 12

    assert in_child(work) == 0
    let_go.set()
    holder.join(30)
    budget.settle(running, 1)
    standing = budget.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (6 if kind == "memory" else 13, 0)
    budget.close()
