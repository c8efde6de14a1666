"""A job against the sandbox, with either framework: every id ends with exactly one result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from batch_kit import Make, by_id, rows_of

from aivideoapi_batch import BatchJob, Journal, RowResult
from aivideoapi_core import CreditBudget, InvalidInputError, SpendLedger
from aivideoapi_core.sandbox import Fault, Sandbox


def test_each_row_once_and_three_equal_books(job: Make, sandbox: Sandbox) -> None:
    budget, ledger = CreditBudget(1000), SpendLedger()
    first = job(budget=budget, ledger=ledger)
    rows = rows_of(40)
    results = by_id(first.run(rows[:25]))
    results |= by_id(first.run(rows[20:]))
    assert [results[f"r{n}"].answer for n in range(40)] == [f"Row {n}" for n in range(40)]
    assert len(sandbox.requests) == 40
    again = job(budget=budget, ledger=ledger)
    resumed = again.run(rows)
    assert len(sandbox.requests) == 40
    assert all(result.resumed for result in resumed)
    assert [result.answer for result in resumed] == [f"Row {n}" for n in range(40)]
    report = again.report()
    assert set(report.books().values()) == {report.books()["results"]}
    assert report.totals.credits_micro == sandbox.charged_micro == budget.standing().spent_micro
    assert (report.totals.rows, report.counts.resumed) == ({"ok": 40}, 40)
    assert {record.tags for record in ledger.records()} == {("echo",)}
    assert json.dumps(report.to_dict())


async def test_rows_are_read_as_needed_and_left_early(job: Make, sandbox: Sandbox) -> None:
    read = 0

    async def endless() -> AsyncIterator[dict[str, Any]]:
        nonlocal read
        while True:
            read += 1
            yield {"id": read, "text": "a"}

    seen = 0
    results = job(options={"concurrency": 4}).arun(endless())
    async for _ in results:
        seen += 1
        if seen == 20:
            break
    await results.aclose()
    assert read <= 20 + 4 * 4
    assert len(asyncio.all_tasks()) == 1


def test_stop_finishes_what_runs(job: Make, sandbox: Sandbox) -> None:
    batch = job(options={"concurrency": 4})

    async def stopped() -> list[RowResult]:
        results = []
        async for result in batch.arun(rows_of(100)):
            results.append(result)
            batch.stop("asked to")
        return results

    results = asyncio.run(stopped())
    report = batch.report()
    assert 1 <= len(results) <= 8
    assert (report.totals.rows, report.counts.stopped) == ({"ok": len(results)}, "asked to")
    assert report.totals.unfinished_calls == 0 == len(sandbox.requests) - len(results)


async def test_a_cancelled_run_says_what_may_have_been_paid(job: Make, sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.stall(-1), Fault.stall(-1))
    batch = job(options={"concurrency": 2})

    async def run() -> None:
        async for _ in batch.arun(rows_of(10)):
            pass

    running = asyncio.create_task(run())
    while len(sandbox.requests) < 2:
        assert not running.done()
        await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert batch.report().totals.unfinished_calls == 2
    results = [result async for result in job().arun(rows_of(10))]
    assert sorted(result.id or "" for result in results if result.paid_before) == ["r0", "r1"]
    assert job().report().totals.repeated_calls == 2


def test_a_source_that_breaks_is_raised_after_the_calls(job: Make) -> None:
    def rows() -> Any:
        yield from rows_of(5)
        raise OSError("the table is broken")

    batch = job()
    with pytest.raises(OSError, match="the table is broken"):
        batch.run(rows())
    assert batch.report().totals.rows == {"ok": 5}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"on_budget": "hope"}, "on_budget"),
        ({"retry": ["ok"]}, "retry"),
        ({"journal": 3}, "journal"),
    ],
)
def test_wrong_use(arguments: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=says):
        BatchJob(print, **{"name": "a", "journal": tmp_path, **arguments})


def test_a_name_that_is_no_tag_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = BatchJob(lambda row: row["id"], name="night 2026-11-27", journal=tmp_path / "out")
    assert [result.answer for result in job.run([{"id": 1}, {"id": 2}])] == [1, 2]
    assert [record.message for record in caplog.records if "tag" in record.message] == [
        "batch job 'night 2026-11-27': its name is no tag (see spend_tags), so its calls have none"
    ]


@pytest.mark.parametrize("concurrency", [1, 100])
def test_rows_are_met_together(job: Make, sandbox: Sandbox, tmp_path: Path, concurrency: int) -> None:
    """Where many calls run at once, one look at the journal is for many rows; where one does, nothing is read ahead."""
    met: list[int] = []

    class Counting(Journal):
        async def meet(self, ids: Sequence[str], **options: Any) -> list[tuple[Any, bool]]:
            met.append(len(ids))
            return await super().meet(ids, **options)

    batch = job(options={"concurrency": concurrency, "journal": Counting(tmp_path / "counting")})
    assert len(batch.run(rows_of(300))) == 300
    assert sum(met) == 300
    assert max(met) <= concurrency
    assert len(met) <= (300 if concurrency == 1 else 20)
