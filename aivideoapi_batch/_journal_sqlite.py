"""``SQLiteJournal``: what became of each row, in the SQLite file of the model's budget and ledger, for one machine.

A row's result is written in the transaction that books its call and writes the ledger's row: a process that is killed
leaves all three, or none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

from aivideoapi_batch._claims import Claims
from aivideoapi_batch._index import Index
from aivideoapi_batch._journal_sql import BEGAN, ENDED, JOBS, NOTED, ROWS, TABLES
from aivideoapi_batch._journal_store import (
    REPORTED_DIGITS,
    SUMS,
    JournalError,
    Seen,
    Totals,
    beyond,
    to_bytes,
)
from aivideoapi_batch._manifest import Manifest
from aivideoapi_batch._results import RowResult, Status
from aivideoapi_batch._rows import check_text
from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import Entry, place_of, renew_in_child, with_known_arguments

SUFFIXES: Final = (".sqlite", ".sqlite3", ".db")
_BUSY_S: Final = 30.0
_PAGE: Final = 500
"""Rows that are read together; each is a parameter of a statement, of which SQLite takes 999 at least."""


class SQLiteJournal:
    """A journal in the file at ``path``, under the ``name`` of the job; ``BatchJob(journal="reviews.sqlite")``.

    With ``CreditBudget(store=path)`` and ``SpendLedger(path)`` of the same path the books are always equal. For the
    processes of one machine; what each holds in memory does not grow with the rows. Pickles as its path. Raises
    ``InvalidInputError``.
    """

    @partial(
        with_known_arguments, advice={"lease_s": "a file has no lease: the claims of a process end with it"}
    )
    def __init__(self, path: str | os.PathLike[str], *, name: str) -> None:
        if not isinstance(path, (str, os.PathLike)) or "://" in os.fspath(path):
            raise InvalidInputError(
                f"path must be that of a file, such as 'reviews.sqlite', not {path!r:.40}"
            )
        self.path = Path(path).absolute()
        self.name = check_text("name", name)
        if self.path.is_dir():
            raise InvalidInputError(
                f"{os.fspath(path)!r} is a folder: name a file in it, or give the folder as journal="
            )
        self._forget()
        self._reading = threading.Lock()
        renew_in_child(self, SQLiteJournal._begin_in_child, guarded=True)

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._index: Index | None = None
        self._reader: sqlite3.Connection | None = None
        self._place: Any = None
        self._claims = Claims(Path(f"{self.path}-claims"))
        self._tokens: dict[str, str] = {}
        """Of the rows that are worked on: by what their results are known, however often they are written."""
        self._notes: dict[str, list[list[int]]] = {}
        self._runs = 0

    def _begin_in_child(self) -> None:
        self._reading = threading.Lock()

    def fork_guards(self) -> tuple[threading.Lock]:
        """The lock that the reader is used under."""
        return (self._reading,)

    def let_go_before_fork(self) -> None:
        """Close the reader: one that a child inherited would spoil its own connections to the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    async def open(self, manifest: Manifest) -> int:
        """See ``JournalStore``. Raises ``InvalidInputError`` for the journal of another job."""
        await self.rest()
        self._place = place_of(self.path)
        text = manifest.to_json()

        def put(db: sqlite3.Connection) -> Any:
            for table in TABLES:
                db.execute(table)
            db.execute(f"INSERT OR IGNORE INTO {JOBS} VALUES (?, ?)", (self.name, text))
            return db.execute(f"SELECT manifest FROM {JOBS} WHERE job = ?", (self.name,)).fetchone()[0]

        manifest.check(await self._written(put), place=str(self.path))
        self._runs += 1
        return self._runs

    def check(self, manifest: Manifest) -> None:
        """Raise ``InvalidInputError`` if the file holds another job's journal of this name; makes nothing."""
        for (kept,) in self._read(f"SELECT manifest FROM {JOBS} WHERE job = ?", (self.name,)):
            manifest.check(kept, place=str(self.path))

    async def rest(self) -> None:
        """See ``JournalStore``."""
        self._claims.close()

    async def meet(
        self, ids: Sequence[str], *, run: int, retry: frozenset[Status]
    ) -> list[tuple[Seen, bool]]:
        """See ``JournalStore``."""
        if self._pid != os.getpid():
            self._forget()
        index = self._index = self._index or Index()
        found: dict[str, tuple[Seen, bool]] = {}
        answers: list[tuple[Seen, bool] | None] = []
        for id, (_, is_twice) in zip(ids, index.met(ids, run=run), strict=True):
            answers.append((Seen.TWICE, False) if is_twice else None)
            if not is_twice:
                found[id] = Seen.NEW, False
        self._look(found, retry)
        taken: dict[str, tuple[Seen, bool]] = {}
        for id, (seen, _) in found.items():
            if seen is Seen.NEW:
                if self._claims.take(id):
                    taken[id] = Seen.NEW, False
                else:
                    found[id] = Seen.ELSEWHERE, False
        # Another process may have finished one a moment ago, and let go of it.
        self._look(taken, retry)
        for id, (seen, _) in taken.items():
            if seen is Seen.DONE:
                self._claims.give_back(id)
            else:
                self._tokens[id] = secrets.token_hex(8)
                self._notes[id] = []
        found |= taken
        return [answer or found[id] for id, answer in zip(ids, answers, strict=True)]

    def _look(self, found: dict[str, tuple[Seen, bool]], retry: frozenset[Status]) -> None:
        """Say of the ids in ``found`` whether they are done, and whether they may be paid for."""
        for name, status, paid in self._of(found, "id, status, paid OR calls > 0"):
            seen = Seen.NEW if status is None or status in retry else Seen.DONE
            found[_text(name)] = seen, seen is Seen.NEW and bool(paid)

    async def began(self, id: str) -> bool:
        """See ``JournalStore``."""
        await self._written(lambda db: db.execute(BEGAN, (self.name, to_bytes(id), 1)))
        return True

    async def back(self, id: str) -> None:
        """See ``JournalStore``."""
        await self._written(lambda db: db.execute(BEGAN, (self.name, to_bytes(id), -1)))

    def entry(self, result: RowResult, done: Callable[[RowResult], None]) -> Entry:
        """See ``JournalStore``."""
        assert result.id is not None  # noqa: S101 - rows without an id are never called
        id, token = to_bytes(result.id), self._tokens[result.id]
        sums = Totals()
        sums.add(result)
        facts = (
            *(self.name, id, token, result.status.value),
            *(result.to_json().decode(), result.may_have_cost),
            *beyond(sums.numbers(), self._notes[result.id]),
        )

        def put(db: sqlite3.Connection) -> str | None:
            ask = f"SELECT token, status, result FROM {ROWS} WHERE job = ? AND id = ?"
            row = db.execute(ask, (self.name, id)).fetchone()
            if row is not None and row[0] == token:
                return None
            db.execute(ENDED, facts)
            return str(row[2]) if row is not None and row[1] == Status.OK else None

        def safe(kept: str | None) -> None:
            self._tokens.pop(str(result.id), None)
            self._notes.pop(str(result.id), None)
            self._claims.give_back(str(result.id))
            done(result if kept is None else RowResult.from_dict(json.loads(kept), resumed=True))

        return Entry(self._place, put, safe)

    def note(self, id: str, paid: Totals) -> Entry | None:
        """See ``JournalStore``."""
        numbers, notes = paid.numbers(), self._notes.get(id)
        if notes is None:  # of a call that goes on after its row has ended
            return None
        facts = (self.name, to_bytes(id), secrets.token_hex(8), *numbers)
        return Entry(
            self._place, lambda db: db.execute(NOTED, facts) and None, lambda _: notes.append(numbers)
        )

    async def ended(self, result: RowResult) -> RowResult:
        """See ``JournalStore``."""
        ends: list[RowResult] = []
        await self._write(self.entry(result, ends.append))
        return ends[0]

    async def get(self, ids: Sequence[str]) -> list[RowResult | None]:
        """See ``JournalStore``."""
        found = {_text(name): result for name, result in self._of(ids, "id, result") if result is not None}
        return [_result(found[id]) if id in found else None for id in ids]

    def statuses(self, ids: Sequence[str]) -> list[str | None]:
        """See ``JournalStore``."""
        found = {_text(name): status for name, status in self._of(ids, "id, status")}
        return [found.get(id) for id in ids]

    def results(self) -> Iterator[RowResult]:
        """See ``JournalStore``; in the order in which rows were begun first, at constant memory."""
        last = 0
        # The plus keeps SQLite from the index of ids: by it, every page would be a walk through all rows.
        ask = f"SELECT rowid, result FROM {ROWS} WHERE rowid > ? AND +job = ? AND result IS NOT NULL ORDER BY rowid LIMIT {_PAGE}"
        while page := self._read(ask, (last, self.name)):
            for last, text in page:  # noqa: B007 - where the next page begins
                yield _result(text)

    def totals(self) -> Totals:
        """See ``JournalStore``. Reported credits are summed to the ninth decimal."""
        ask = f"SELECT status, count(*) FROM {ROWS} WHERE job = ? AND status IS NOT NULL GROUP BY status"
        rows = dict(self._read(ask, (self.name,)))
        columns = ", ".join(
            [
                "sum(calls)",
                "sum(CASE WHEN status IS NULL THEN 0 ELSE calls END)",
                *map("sum({})".format, SUMS),
            ]
        )
        ask = f"SELECT {columns} FROM {ROWS} WHERE job = ?"
        numbers = [value or 0 for found in self._read(ask, (self.name,)) for value in found]
        unfinished, repeated, *sums = numbers or [0] * (2 + len(SUMS))
        facts = dict(zip(SUMS, sums, strict=True))
        reported = Decimal(facts.pop("reported")).scaleb(-REPORTED_DIGITS)
        return Totals(
            rows=rows, reported=reported, unfinished_calls=unfinished, repeated_calls=repeated, **facts
        )

    def close(self) -> None:
        """See ``JournalStore``."""
        if self._pid == os.getpid():
            if self._reader is not None:
                self._reader.close()
            if self._index is not None:
                self._index.close()
            self._claims.close()
        self._forget()

    def __repr__(self) -> str:
        return f"SQLiteJournal({str(self.path)!r}, name={self.name!r})"

    def __reduce__(self) -> Any:
        return _rebuilt, (self.path, self.name)

    async def _written(self, put: Callable[[sqlite3.Connection], Any]) -> Any:
        """What ``put`` gives, once it is safe. Raises ``JournalError``."""
        answers: list[Any] = []
        await self._write(Entry(self._place, put, answers.append))
        return answers[0]

    async def _write(self, entry: Entry) -> None:
        if self._place is None:
            raise JournalError("the journal is not open: await journal.open(job.manifest)")
        with contextlib.suppress(Exception):  # it would have to wait, or says below what is wrong
            self._place.write_at_once([entry])
            return
        try:
            await asyncio.to_thread(self._place.write, [entry])
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"the journal {self.path} cannot be written ({error})") from error

    def _of(self, ids: Sequence[str] | dict[str, Any], columns: str) -> Iterator[tuple[Any, ...]]:
        """``columns`` of those of ``ids`` that have a row."""
        names = [to_bytes(id) for id in ids]
        for start in range(0, len(names), _PAGE):
            some = names[start : start + _PAGE]
            marks = ", ".join("?" * len(some))
            yield from self._read(
                f"SELECT {columns} FROM {ROWS} WHERE job = ? AND id IN ({marks})",
                (self.name, *some),
            )

    def _read(self, ask: str, facts: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """What the file says; nothing of one that is not there, or has no journal in it. Raises ``JournalError``."""
        if self._pid != os.getpid():
            self._forget()
        try:
            with self._reading:
                return self._read_alone(ask, facts)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise JournalError(f"the journal {self.path} cannot be read ({error})") from error
        except sqlite3.DatabaseError as error:
            raise InvalidInputError(f"{str(self.path)!r} is no SQLite database: name another file") from error

    def _read_alone(self, ask: str, facts: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        if self._reader is None:
            if not self.path.exists():
                return []
            self._reader = sqlite3.connect(
                self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
        return self._reader.execute(ask, facts).fetchall()


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")


def _result(text: str) -> RowResult:
    return RowResult.from_dict(json.loads(text), resumed=True)


def _rebuilt(path: Path, name: str) -> SQLiteJournal:
    return SQLiteJournal(path, name=name)
