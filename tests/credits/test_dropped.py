"""Streams that the collector finds, at moments when this very thread holds a lock."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_core import (
    AsyncMessagesClient,
    CallRecord,
    CreditBudget,
    MessagesClient,
    Outcome,
    SpendLedger,
    build_payload,
    track_spend,
)
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._metering.metering import Metering
from aivideoapi_core._stores.budget_memory import MemoryStore
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

LONG = Reply("word " * 200, pieces=50)


def payload() -> dict[str, Any]:
    return build_payload(
        "claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=True, max_tokens=100
    )


@pytest.fixture(autouse=True)
def _quick_collector() -> None:
    """What was there before is not looked at, now and later: tests/conftest.py has frozen what is imported, too."""
    gc.collect()
    gc.freeze()


class _Cycle:
    """Something that only the collector can free."""

    def __init__(self, *held: Any) -> None:
        self.held = held
        self.itself = self


class _CollectingLock:
    """A lock inside which the collector comes: every time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        gc.collect()

    def __exit__(self, *_: object) -> None:
        gc.collect()
        self._lock.release()

    def acquire(self, blocking: bool = True) -> bool:
        return self._lock.acquire(blocking)

    def release(self) -> None:
        self._lock.release()


class _CollectingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self._lock = _CollectingLock()


def _in_time(work: Any, *, threads: int = 1, limit_s: float = 60.0) -> None:
    """Run ``work`` in daemon threads; fails if one of them hangs."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    running = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(limit_s)
    if any(thread.is_alive() for thread in running):
        faulthandler.dump_traceback()
        raise AssertionError("a thread hangs")
    if failed:
        raise failed[0]


def test_streams_in_cycles_and_the_collector_inside_every_lock(sandbox: Sandbox) -> None:
    budget = CreditBudget(10_000, store=_CollectingStore())
    budget._lock = _CollectingLock()
    ledger = SpendLedger()
    sandbox.enqueue(*[LONG] * 48)

    with (
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=ledger) as client,
        track_spend() as tracker,
    ):
        client.create({**payload(), "stream": False})
        pool = client._pool().close.__self__._pool
        pool._optional_thread_lock = _CollectingLock()  # the one that its generators take
        tracker._lock = _CollectingLock()

        def drop() -> None:
            for _ in range(6):
                stream = client.stream(payload())
                stream.__enter__()
                events = iter(stream)
                next(events)
                _Cycle(stream, events)
                generator = _events(client)
                next(generator)
                _Cycle(generator)
                del stream, events, generator

        _in_time(drop, threads=4)
        gc.collect()
        standing = budget.standing()
        assert standing.reserved_micro == 0
        rows = list(ledger.records())
        assert len(rows) == 49
        assert [row.outcome for row in rows].count(Outcome.LOST) == 48
        assert tracker.summary.calls == 1  # the others were begun in threads without the block
        client.create({**payload(), "stream": False})
        assert len(pool.connections) == 1


def _events(client: MessagesClient) -> Iterator[Any]:
    with client.stream(payload()) as stream:
        yield from stream


async def test_asynchronous_streams_that_are_dropped(sandbox: Sandbox) -> None:
    budget, ledger = CreditBudget(10_000), SpendLedger()
    async with AsyncMessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=ledger
    ) as client:
        for _ in range(5):
            sandbox.enqueue(LONG)
            stream = client.stream(payload())
            await stream.__aenter__()
            _Cycle(stream)
            del stream
        gc.collect()
        assert budget.standing().reserved_micro == 0
        assert [row.outcome for row in ledger.records()] == [Outcome.LOST] * 5
        (pool,) = client._pools
        for _ in range(500):
            if not pool.transport._pool.connections:
                break
            await asyncio.sleep(0.01)
        assert not pool.transport._pool.connections


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
async def test_nobody_complains_of_a_stream_that_is_collected(sandbox: Sandbox, engine: Any) -> None:
    """aiohttp's connections report themselves ("Unclosed connection") to the event loop when they are collected open."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    budget = CreditBudget(1_000)

    async def events(client: AsyncMessagesClient) -> AsyncIterator[Any]:
        async with client.stream(payload()) as stream:
            async for event in stream:
                yield event

    async with AsyncMessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, http_engine=engine
    ) as client:
        sandbox.enqueue(LONG, LONG)
        stream = client.stream(payload())
        await stream.__aenter__()
        first = aiter(stream)
        await anext(first)
        second = events(client)
        await anext(second)
        _Cycle(stream, first)
        _Cycle(second)
        del stream, first, second
        gc.collect()
        sandbox.enqueue(Fault.cut(after_events=3))  # nothing of the network holds it any more
        broken = client.stream(payload())
        await broken.__aenter__()
        for _ in range(50):
            await asyncio.sleep(0.002)
        _Cycle(broken)
        del broken
        gc.collect()
        await client.create({**payload(), "stream": False})
        gc.collect()
    assert complaints == []
    assert budget.standing().reserved_micro == 0


def test_a_loop_that_ended_before_its_stream(sandbox: Sandbox) -> None:
    budget, ledger = CreditBudget(10_000), SpendLedger()
    client = AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=ledger)
    sandbox.enqueue(LONG)

    async def begin() -> Any:
        stream = client.stream(payload())
        await stream.__aenter__()
        return stream

    stream = asyncio.run(begin())
    assert stream.accumulator is not None
    del stream
    gc.collect()
    assert budget.standing().reserved_micro == 0
    assert [row.outcome for row in ledger.records()] == [Outcome.LOST]


@pytest.mark.parametrize("step", ["settle", "append", "on_call"])
def test_an_interruption_at_the_end_loses_nothing(sandbox: Sandbox, step: str) -> None:
    budget, ledger = CreditBudget(100), SpendLedger()
    heard: list[Any] = []
    target = {"settle": budget, "append": ledger}.get(step)
    calls = 0

    def once(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyboardInterrupt
        return usual(*args, **kwargs)

    usual: Any = heard.append if target is None else getattr(target, step)
    if target is not None:
        setattr(target, step, once)
    client = MessagesClient(
        api_key=sandbox.api_key,
        base_url=sandbox.url,
        budget=budget,
        ledger=ledger,
        on_call=once if target is None else heard.append,
    )
    with client, track_spend() as tracker, pytest.raises(KeyboardInterrupt):
        client.create({**payload(), "stream": False})
    (row,) = ledger.records()
    standing = budget.standing()
    assert (standing.reserved_micro, standing.spent_micro) == (0, row.credits_micro)
    assert tracker.summary.calls == 1
    assert len(heard) == (0 if target is None else 1)


def test_an_interruption_while_reserving_leaves_nothing(sandbox: Sandbox) -> None:
    class Interrupted(MemoryStore):
        def reserve(self, *args: Any, **kwargs: Any) -> Any:
            super().reserve(*args, **kwargs)
            raise KeyboardInterrupt

    budget, ledger = CreditBudget(100, store=Interrupted()), SpendLedger()
    with (
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=ledger) as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.create({**payload(), "stream": False})
    assert budget.standing().reserved_micro == 0
    assert list(ledger.records()) == []
    assert sandbox.requests == []


def test_observers_that_raise(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    class BadError(Exception):
        pass

    def raising(*_: Any, **__: Any) -> Any:
        raise BadError("what the user said")

    budget, ledger = CreditBudget(100), SpendLedger()
    with (
        MessagesClient(
            api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=ledger, on_call=raising
        ) as client,
        track_spend() as bad,
        track_spend() as good,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(bad, "add", raising)
        patch.setattr("aivideoapi_core._metering.meter.start_telemetry", raising)
        assert client.create({**payload(), "stream": False}).message["type"] == "message"
    (row,) = ledger.records()
    assert budget.standing().spent_micro == row.credits_micro
    assert good.summary.calls == 1
    assert "BadError" in caplog.text
    assert "user said" not in caplog.text


class _SlowBook:
    """Writes a row; the first time it waits for ``other``."""

    blocking = True

    def __init__(self) -> None:
        self.rows: list[CallRecord] = []
        self.other: threading.Thread | None = None
        self.writes = threading.Event()

    def append(self, record: CallRecord) -> None:
        self.rows.append(record)
        self.writes.set()
        if self.other is not None and threading.current_thread() is not self.other:
            self.other.join(0.2)  # it either waits for us or is done

    def records(self) -> Iterator[CallRecord]:
        return iter(self.rows)

    def close(self) -> None:
        pass


def test_two_threads_that_finish_one_call(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream in a cycle is put down as a generator and as a call: one thread decides, and there is one row."""
    sandbox.enqueue(LONG)
    book, both = _SlowBook(), threading.Event()
    decide = CallMeter._outcome

    def outcome(self: CallMeter, *how: Any) -> Any:
        if book.other is None:
            book.other = threading.Thread(target=self.finish, args=(None,))
            book.other.start()
            both.wait(0.2)
        else:
            both.set()
            book.writes.wait(10)
        return decide(self, *how)

    monkeypatch.setattr(CallMeter, "_outcome", outcome)
    budget = CreditBudget(1_000)
    with (
        MessagesClient(
            api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=SpendLedger(book)
        ) as client,
        client.stream(payload()) as stream,
    ):
        next(iter(stream))
    assert book.other is not None
    book.other.join(30)
    assert [row.outcome for row in book.rows] == [Outcome.LOST]
    assert (budget.standing().unknown_calls, budget.standing().reserved_micro) == (1, 0)


class _MeetingBook(_SlowBook):
    """Whoever writes a row waits a little for somebody else who writes one."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2)

    def append(self, record: CallRecord) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            self.both.wait(0.2)
        self.rows.append(record)


def test_two_threads_at_the_last_steps_of_one_call() -> None:
    """Every step is done once, also by a thread that was overtaken in the middle of one."""
    book = _MeetingBook()
    heard: list[CallRecord] = []
    with track_spend() as tracker:
        meter = CallMeter(Metering(ledger=SpendLedger(book), on_call=heard.append), payload())
        meter.__enter__()
        assert meter._close(None, None)
        other = threading.Thread(target=meter._go_on)
        other.start()
        meter._go_on()
        other.join(30)
    assert (len(book.rows), len(heard), tracker.summary.calls) == (1, 1, 1)


KEEPS_STREAMS = """
import asyncio, sys
from aivideoapi_core import AsyncMessagesClient, CreditBudget, MessagesClient, SpendLedger, build_payload
url, key, budget, ledger = sys.argv[1:]
common = {"api_key": key, "base_url": url, "budget": CreditBudget(100, store=budget), "ledger": SpendLedger(ledger)}
body = build_payload("claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=True, max_tokens=100)
client, async_client = MessagesClient(**common), AsyncMessagesClient(**common)
whole = client.stream(body)
whole.__enter__()
list(whole)
begun = client.stream(body)
begun.__enter__()

async def begin():
    stream = async_client.stream(body)
    await stream.__aenter__()
    return stream

left_by_its_loop = asyncio.run(begin())
"""


def test_a_program_that_ends_with_streams_open(sandbox: Sandbox, tmp_path: Path) -> None:
    """Modules let go of what they hold after everything else has ended: too late for a finalizer to be of use."""
    budget, ledger = tmp_path / "budget.sqlite", tmp_path / "ledger.sqlite"
    subprocess.run(
        [sys.executable, "-c", KEEPS_STREAMS, sandbox.url, sandbox.api_key, str(budget), str(ledger)],
        check=True,
        timeout=60,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    rows, standing = list(SpendLedger(ledger).records()), CreditBudget(100, store=budget).standing()
    assert sorted(row.outcome.value for row in rows) == ["lost", "lost", "ok"]
    booked_micro = [
        row.credits_micro if row.outcome is Outcome.OK else row.at_most_micro or 0 for row in rows
    ]
    assert (standing.reserved_micro, standing.spent_micro) == (0, sum(micro or 0 for micro in booked_micro))
    assert standing.unknown_calls == 2
