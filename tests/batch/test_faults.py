"""Whatever goes wrong with a row is that row's result, and no other's."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from batch_kit import FakeClock, Make, by_id, rows_of

from aivideoapi_batch import BatchJob, Journal, Status
from aivideoapi_core.sandbox import Fault, Sandbox

ERRORS = [
    ("invalid_request", "failed"),
    ("invalid_api_key", "failed"),
    ("insufficient_credits", "refused"),
    ("ip_not_allowed", "failed"),
    ("model_not_found", "failed"),
    ("request_too_large", "failed"),
    ("spend_limit_exceeded", "refused"),
]


def test_one_rows_fault_never_ends_a_job(job: Make, sandbox: Sandbox) -> None:
    sandbox.enqueue(
        *(Fault.error(code) for code, _ in ERRORS), Fault.disconnect(), Fault.malformed(0), Fault.html(502)
    )
    rows = [{"id": n, "text": "with a secret"} for n in range(30)]
    batch = job(options={"concurrency": 1})
    results = by_id(batch.run(rows))
    assert len(results) == 30
    assert [results[str(n)].status for n in range(len(ERRORS))] == [status for _, status in ERRORS]
    assert all(results[str(n)].credits_micro == 0 for n in range(len(ERRORS)))
    for result in results.values():
        assert (result.error is None) is (result.status is Status.OK)
        assert "secret" not in str(result.error)
        if result.status is Status.LOST:
            assert result.credits_micro is None
            assert result.at_most_micro
    assert {results[str(n)].status for n in range(12, 30)} == {Status.OK}
    before = len(sandbox.requests)
    retried = by_id(job(options={"retry": ("failed", "refused", "lost")}).run(rows))
    assert {result.status for result in retried.values()} == {Status.OK}
    bad = [name for name, result in results.items() if result.status is not Status.OK]
    assert len(sandbox.requests) - before == len(bad)
    assert {name for name, result in retried.items() if result.paid_before} == {
        name for name in bad if results[name].may_have_cost
    }


@pytest.mark.parametrize(
    ("row", "error"),
    [
        pytest.param({"text": "a"}, "BadRow no_id", id="no id"),
        pytest.param({"id": None, "text": "a"}, "BadRow no_id", id="null"),
        pytest.param({"id": " ", "text": "a"}, "BadRow no_id", id="blank"),
        pytest.param({"id": float("nan"), "text": "a"}, "BadRow no_id", id="NaN"),
        pytest.param({"id": True, "text": "a"}, "BadRow no_id", id="bool"),
        pytest.param({"id": [1], "text": "a"}, "BadRow no_id", id="list"),
        pytest.param({"id": 10**4300, "text": "a"}, "BadRow no_id", id="more digits than Python writes"),
        pytest.param({"id": "r0", "text": "a"}, "BadRow duplicate_id", id="twice"),
        pytest.param("r9", "BadRow not_a_mapping", id="text"),
        pytest.param(None, "BadRow not_a_mapping", id="None"),
        pytest.param({"id": 9}, "BadRow missing_field", id="without what the prompt asks for"),
    ],
)
def test_bad_rows_are_told_and_not_called(job: Make, sandbox: Sandbox, row: Any, error: str) -> None:
    batch = job()
    results = batch.run([*rows_of(1), row, {"id": "last", "text": "z"}])
    (bad,) = [result for result in results if result.status is not Status.OK]
    assert (bad.status, bad.error, bad.credits_micro) == (Status.FAILED, error, 0)
    assert (len(results), len(sandbox.requests)) == (3, 2)
    assert batch.estimate([row]).bad_rows == (error != "BadRow duplicate_id")


def test_a_storm_of_429s_loses_no_row(job: Make, sandbox: Sandbox, clock: FakeClock) -> None:
    """The issue's: 300 of them in 400 rows. No request but those that were needed."""
    sandbox.enqueue(*(Fault.error("rate_limit_exceeded", retry_after=5) for _ in range(300)))
    batch = job(options={"concurrency": 32})
    results = batch.run(rows_of(400))
    assert {result.status for result in results} == {Status.OK}
    assert len(results) == 400
    assert len(sandbox.requests) == 700
    assert batch.report().totals.attempts == 700
    assert clock.slept


def test_errors_that_pass_are_tried_again(job: Make, sandbox: Sandbox, clock: FakeClock) -> None:
    sandbox.enqueue(*(Fault.error("upstream_error") for _ in range(2)))
    (result,) = job().run(rows_of(1))
    assert (result.status, result.attempts) == (Status.OK, 3)
    sandbox.enqueue(*(Fault.error("upstream_error") for _ in range(3)))
    (result,) = job("other").run(rows_of(1))
    assert (result.status, result.error) == (Status.FAILED, "UpstreamError upstream_error")
    assert len(clock.slept) == 4


def test_what_every_row_would_meet_ends_the_run(job: Make, sandbox: Sandbox) -> None:
    """A wrong key is not tried a million times."""
    sandbox.enqueue(*(Fault.error("invalid_api_key") for _ in range(28)))
    batch = job()
    results = batch.run(rows_of(200))
    assert 20 <= len(results) <= 28
    assert "AuthenticationError" in str(batch.report().counts.stopped)
    sandbox.reset()
    assert len(job().run(rows_of(200))) == 200


class NoException(BaseException):
    pass


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        NoException(),
        MemoryError(),
        StopIteration(),
        TimeoutError(),
        GeneratorExit(),
        SystemExit(2),
    ],
)
@pytest.mark.parametrize("is_async", [True, False])
def test_whatever_a_row_raises_is_that_rows_result(
    error: BaseException, is_async: bool, tmp_path: Path
) -> None:
    def function(row: Any) -> str:
        if row["id"] == "r3":
            raise error
        return str(row["text"])

    async def twin(row: Any) -> str:
        return function(row)

    batch = BatchJob(twin if is_async else function, name="raises", journal=tmp_path, concurrency=2)
    results = by_id(batch.run(rows_of(8)))
    wrong = results.pop("r3")
    assert wrong.status is Status.FAILED
    changes = isinstance(error, StopIteration) or (isinstance(error, GeneratorExit) and not is_async)
    assert wrong.error == ("RuntimeError" if changes else type(error).__name__)
    assert {result.status for result in results.values()} == {Status.OK}
    assert len(results) == 7


@pytest.mark.parametrize("waits", [True, False], ids=["and waits", "and answers"])
def test_a_row_that_cancels_the_task_it_runs_in(waits: bool, tmp_path: Path) -> None:
    """That is the row's, and no other row meets it; the run used to wait for its worker for ever."""

    async def function(row: Any) -> str:
        task = asyncio.current_task()
        if row["id"] == "r3" and task is not None:
            task.cancel()
            if waits:
                await asyncio.sleep(0)
        return str(row["text"])

    batch = BatchJob(function, name="cancels", journal=tmp_path, concurrency=2)
    results = by_id(batch.run(rows_of(8)))
    wrong = results["r3"]
    assert (wrong.status, wrong.error) == (("failed", "CancelledError") if waits else ("ok", None))
    assert [result.status for result in results.values()].count(Status.OK) == 8 - waits


def test_workers_that_somebody_else_cancels_end_the_run(tmp_path: Path) -> None:
    async def function(row: Any) -> str:
        if row["id"] == "r3":
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                if "_work" in str(task):
                    task.cancel()
        await asyncio.sleep(0)
        return str(row["text"])

    batch = BatchJob(function, name="cancelled", journal=tmp_path, concurrency=4)
    assert len(batch.run(rows_of(12))) < 12
    assert batch.counts.stopped == "cancelled"
    assert {result.status for result in batch.run(rows_of(12))} == {Status.OK}


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is meant for the process ends the run: Ctrl-C, in a notebook too; a signal whose handler leaves."""
    told: list[type[BaseException]] = []
    leaves = signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))

    def run(number: int, job: str) -> None:
        async def function(row: Any) -> str:
            if row["id"] == "r3" and not told:
                signal.pthread_kill(threading.main_thread().ident or 0, number)
                if job == "notebook":
                    await asyncio.Event().wait()  # until it is cancelled, from the main thread
            return str(row["text"])

        batch = BatchJob(function, name=job, journal=tmp_path / job, concurrency=2)
        told.clear()
        with (
            contextlib.closing(asyncio.new_event_loop()) as loop,
            pytest.raises((KeyboardInterrupt, SystemExit)) as left,
        ):
            loop.run_until_complete(in_loop(batch)) if job == "notebook" else batch.run(rows_of(8))
        told.append(left.type)
        assert Journal(tmp_path / job).totals().rows["ok"] < 8
        assert {*threading.enumerate()} <= threads  # those of other tests may have ended
        assert {result.status for result in batch.run(rows_of(8))} == {Status.OK}

    async def in_loop(batch: BatchJob) -> None:
        batch.run(rows_of(8))

    threads = {*threading.enumerate()}
    try:
        run(signal.SIGINT, "notebook")
        assert told == [KeyboardInterrupt]
        run(signal.SIGINT, "program")
        assert told == [KeyboardInterrupt]
        run(signal.SIGTERM, "leaving")
        assert told == [SystemExit]
    finally:
        signal.signal(signal.SIGTERM, leaves)
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "batch job 'notebook' was interrupted",
        "batch job 'program' was interrupted",
    ]
