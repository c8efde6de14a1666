"""The journal in an SQLite file: what the one in files promises, and one write with the books."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from batch_kit import rows_of

from aivideoapi_batch import BatchJob, JournalError, JournalStore, RowResult, SQLiteJournal, Status
from aivideoapi_batch._journal_store import Seen
from aivideoapi_batch._manifest import Manifest
from aivideoapi_core import CreditBudget, InvalidInputError, SpendLedger
from aivideoapi_core.sandbox import Sandbox

MANIFEST = Manifest.of("test", "id", {"model": "m", "prompt": "p" * 500})
NO_RETRY: frozenset[Status] = frozenset()


def result(name: str, status: str = "ok", *, micro: int | None = 5) -> RowResult:
    answer = {"text": f"ä\ud800 {name}\n"}
    return RowResult(id=name, status=Status(status), answer=answer, credits_micro=micro, attempts=1)


async def opened(folder: Path) -> SQLiteJournal:
    journal = SQLiteJournal(folder / "all.sqlite", name="test")
    await journal.open(MANIFEST)
    return journal


async def test_result_comes_back_as_it_was(tmp_path: Path) -> None:
    one = await opened(tmp_path)
    names = ["r0", "r1\udcff", "r2"]
    assert await one.meet(names, run=1, retry=NO_RETRY) == [(Seen.NEW, False)] * 3
    for name in names:
        assert await one.began(name)
        reported = replace(result(name), credits_reported=Decimal("0.1"))
        if name != "r2":
            assert await one.ended(reported) is reported
    await one.rest()
    two = await opened(tmp_path)
    met = await two.meet(["r0", "r0", "r1\udcff", "r2", "r3"], run=1, retry=NO_RETRY)
    assert [seen for seen, _ in met] == ["done", "twice", "done", "new", "new"]
    assert [paid for _, paid in met] == [False, False, False, True, False]
    found, missing = await two.get(["r1\udcff", "r9"])
    assert missing is None
    assert found is not None
    assert found.resumed
    assert found.answer == {"text": "ä\ud800 r1\udcff\n"}
    totals = two.totals()
    assert (totals.rows, totals.unfinished_calls, totals.repeated_calls) == ({"ok": 2}, 1, 0)
    assert (totals.credits_micro, totals.attempts, totals.reported) == (10, 2, Decimal("0.2"))
    await two.began("r2")
    await two.back("r2")
    assert two.totals().unfinished_calls == 1
    await two.began("r2")
    await two.ended(result("r2"))
    assert two.totals().repeated_calls == 1
    assert [row.id for row in two.results()] == names
    assert two.statuses(["r0", "r9"]) == ["ok", None]
    assert isinstance(two, JournalStore)
    two.close()


@pytest.mark.parametrize(
    ("statuses", "kept"),
    [
        pytest.param(["failed", "ok"], "ok", id="tried again"),
        pytest.param(["ok", "failed"], "ok", id="nothing replaces ok"),
        pytest.param(["refused", "lost"], "lost", id="the last counts"),
    ],
)
async def test_one_result_of_each_id(tmp_path: Path, statuses: list[str], kept: str) -> None:
    """What is written twice counts once; what is brought after an ``ok`` is not kept, but its cost counts."""
    for number, status in enumerate(statuses):
        journal = await opened(tmp_path)
        ((seen, paid),) = await journal.meet(["a"], run=1, retry=frozenset(Status))
        assert (seen, paid) == (Seen.NEW, number > 0)
        await journal.began("a")
        ends: list[RowResult] = []
        entry = journal.entry(result("a", status), ends.append)
        entry.place.write([entry])
        entry.place.write([entry])
        assert ends[0].status == (kept if number else status)
        journal.close()
    journal = await opened(tmp_path)
    assert [row.status for row in journal.results()] == [kept]
    assert (journal.totals().rows, journal.totals().credits_micro) == ({kept: 1}, 10)


async def test_another_job_is_refused(tmp_path: Path) -> None:
    (await opened(tmp_path)).close()
    other = Manifest.of("test", "id", {"model": "another", "prompt": "p" * 500})
    with pytest.raises(InvalidInputError, match=r"another job .model: m there, another here."):
        await SQLiteJournal(tmp_path / "all.sqlite", name="test").open(other)
    with pytest.raises(InvalidInputError, match="another job"):
        SQLiteJournal(tmp_path / "all.sqlite", name="test").check(other)
    SQLiteJournal(tmp_path / "all.sqlite", name="else").check(other)
    SQLiteJournal(tmp_path / "none.sqlite", name="else").check(other)
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "text.sqlite").write_text("no database at all")
    with pytest.raises(InvalidInputError, match="no SQLite database"):
        SQLiteJournal(tmp_path / "text.sqlite", name="else").check(other)


async def test_a_file_that_breaks_stops(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="not open"):
        await SQLiteJournal(tmp_path / "all.sqlite", name="test").began("a")
    journal = await opened(tmp_path)
    await journal.meet(["a"], run=1, retry=NO_RETRY)
    with sqlite3.connect(tmp_path / "all.sqlite") as db:
        db.execute("DROP TABLE aivideoapi_batch_rows")
        db.execute("CREATE TABLE aivideoapi_batch_rows (another INTEGER)")
    with pytest.raises(JournalError, match="cannot be written"):
        await journal.began("a")
    with pytest.raises(JournalError, match="cannot be read"):
        journal.statuses(["a"])


def test_a_job_in_the_file_of_its_books(
    job: Callable[..., BatchJob], sandbox: Sandbox, tmp_path: Path
) -> None:
    place = tmp_path / "all.sqlite"
    books = {"budget": CreditBudget(100, store=place), "ledger": SpendLedger(place)}
    batch = job(options={"journal": place}, **books)
    rows = rows_of(40)
    first = {row.id: row.answer for row in batch.run(rows[:25])}
    again = job(options={"journal": pickle.loads(pickle.dumps(batch.journal))}, **books)
    assert len(list(again.open_rows(rows))) == 15
    assert {row.id: row.answer for row in again.run(rows) if row.resumed} == first
    report = again.report()
    assert (report.totals.rows, report.counts.resumed, report.counts.called) == ({"ok": 40}, 25, 15)
    assert {int(amount * 10**6) for amount in report.books().values() if amount} == {sandbox.charged_micro}
    assert len(list(again.results())) == len(sandbox.requests) == 40


def test_row_result_and_books_are_one_write(
    job: Callable[..., BatchJob], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies before it leaves neither; so a write that fails as a whole leaves all books as they were."""
    from aivideoapi_core._stores.sqlite_file import Database

    place = tmp_path / "all.sqlite"
    batch = job(options={"journal": place}, budget=CreditBudget(100, store=place), ledger=SpendLedger(place))
    sizes: list[int] = []
    at_once = Database.write_at_once

    def counted(self: Database, entries: list[object]) -> None:
        sizes.append(len(entries))
        at_once(self, entries)

    monkeypatch.setattr(Database, "write_at_once", counted)
    batch.run(rows_of(10))
    assert sizes.count(3) >= 10, "figure, row of the ledger, result"
