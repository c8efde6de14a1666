"""A ledger in a SQLite file, for the processes of one machine."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from aivideoapi_core._metering.attribution import ATTRIBUTES
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._metering.totals import Sums
from aivideoapi_core._stores.ledger_query import Key, Selection
from aivideoapi_core._stores.ledger_sql import grouped, where
from aivideoapi_core._stores.sqlite_file import Database, mark_format

_COUNTS: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "thinking")
_COLUMNS: Final = {
    "started_at": "REAL NOT NULL",
    "model": "TEXT NOT NULL",
    "route": "TEXT NOT NULL",
    "framework": "TEXT",
    "outcome": "TEXT NOT NULL",
    "stream": "INTEGER",
    **{f"{count}_tokens": "INTEGER" for count in _COUNTS},
    "credits_reported": "TEXT",
    "credits_micro": "INTEGER",
    "at_most_micro": "INTEGER",
    "request_id": "TEXT",
    "message_id": "TEXT",
    "response_model": "TEXT",
    "stop_reason": "TEXT",
    "latency_s": "REAL",
    "attempts": "INTEGER NOT NULL",
    "tags": "TEXT NOT NULL",
    "error": "TEXT",
    # Later than the first release: added to files that have them not, so they may be NULL.
    **dict.fromkeys((*ATTRIBUTES, "budget", "call_id"), "TEXT"),
}
_NAMES: Final = ", ".join(_COLUMNS)
_TABLE: Final = (
    f"CREATE TABLE IF NOT EXISTS calls ({', '.join(f'{name} {kind}' for name, kind in _COLUMNS.items())})"
)
_RULES: Final = """
CREATE TRIGGER IF NOT EXISTS calls_stay BEFORE DELETE ON calls
BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not removed'); END;
CREATE TRIGGER IF NOT EXISTS calls_are_final BEFORE UPDATE ON calls
BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not changed'); END;
CREATE UNIQUE INDEX IF NOT EXISTS calls_by_id ON calls (call_id);
CREATE INDEX IF NOT EXISTS calls_by_time ON calls (started_at);
"""
_counts_of: Final = attrgetter(*_COUNTS)
_NO_COUNTS: Final = (None,) * len(_COUNTS)
_INSERT: Final = (
    f"INSERT INTO calls ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - our own columns
    "ON CONFLICT (call_id) DO NOTHING"
)
"""The columns are named: a newer release's file may have more. A row that is there already stays as it is."""
_PAGE: Final = 2_000
"""Rows that are read at once."""


class SqliteLedger:
    """Rows in the table ``calls`` of a SQLite file, which refuses to change or remove them."""

    blocking = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._database = Database(path, _prepare)

    def append(self, record: CallRecord) -> None:
        """See ``LedgerStore``."""
        values = _values_of(record)
        self._database.run(lambda db: db.execute(_INSERT, values))

    def append_at_once(self, record: CallRecord) -> None:
        """The same without waiting, for an event loop. Raises ``WouldWaitError``."""
        values = _values_of(record)
        self._database.run_at_once(lambda db: db.execute(_INSERT, values))

    def records(self) -> Iterator[CallRecord]:
        """See ``LedgerStore``. Raises ``sqlite3.DatabaseError`` if the file is no ledger."""
        return self.selected(Selection())

    def selected(self, selection: Selection) -> Iterator[CallRecord]:
        """See ``LedgerStore``; a page of rows at a time is in memory."""
        condition, values = where(selection)
        ends = f"SELECT min(rowid), max(rowid) FROM calls WHERE {condition}"  # noqa: S608 - our own columns, values are bound
        first, last = self._database.run(lambda db: db.execute(ends, values).fetchone())
        if first is None:
            return iter(())
        return self._pages(condition, values, first - 1, last)

    def sums(
        self, selection: Selection, by: Sequence[str], zone: tzinfo | None
    ) -> dict[tuple[Key, ...], Sums]:
        """See ``LedgerStore``."""
        return self._database.run(
            lambda db: grouped(db, selection, by, zone, read=f"SELECT {_NAMES}", as_record=_record_of)
        )

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self._database.close()

    def _pages(self, condition: str, values: Sequence[Any], seen: int, last: int) -> Iterator[CallRecord]:
        page = f"SELECT rowid, {_NAMES} FROM calls WHERE rowid > ? AND rowid <= ? AND {condition} ORDER BY rowid LIMIT {_PAGE}"  # noqa: S608 - our own columns, values are bound
        while seen < last:
            rows = self._database.run(_fetching(page, (seen, last, *values)))
            if not rows:
                return
            yield from (_record_of(row) for _, *row in rows)
            seen = rows[-1][0]

    def __reduce__(self) -> Any:
        return SqliteLedger, (self.path,)


def _fetching(query: str, values: Sequence[Any]) -> Callable[[sqlite3.Connection], list[tuple[Any, ...]]]:
    return lambda db: db.execute(query, values).fetchall()


def _values_of(record: CallRecord) -> tuple[Any, ...]:
    """In the order of ``_COLUMNS``."""
    tokens, reported = record.tokens, record.credits_reported
    return (
        record.started_at,
        record.model,
        record.route,
        record.framework,
        record.outcome.value,
        record.stream,
        *(_NO_COUNTS if tokens is None else _counts_of(tokens)),
        None if reported is None else str(reported),
        record.credits_micro,
        record.at_most_micro,
        record.request_id,
        record.message_id,
        record.response_model,
        record.stop_reason,
        record.latency_s,
        record.attempts,
        json.dumps(record.tags),
        record.error,
        record.agent,
        record.thread,
        record.user,
        record.customer,
        record.budget,
        record.call_id,
    )


def _record_of(values: Sequence[Any]) -> CallRecord:
    """Of values in the order of ``_COLUMNS``."""
    row = dict(zip(_COLUMNS, values, strict=True))
    counts = {count: row.pop(f"{count}_tokens") for count in _COUNTS}
    row["tokens"] = None if counts["input"] is None else counts
    row["tags"] = json.loads(row["tags"])
    row["stream"] = None if row["stream"] is None else bool(row["stream"])
    return CallRecord.from_dict(row)


def _prepare(db: sqlite3.Connection) -> None:
    db.execute(_TABLE)
    if _missing(db):
        db.execute("BEGIN IMMEDIATE")  # alone: another process may be adding them
        try:
            for name in _missing(db):
                db.execute(f"ALTER TABLE calls ADD COLUMN {name} {_COLUMNS[name]}")
        finally:
            db.execute("COMMIT")
    db.executescript(_RULES)
    mark_format(db)


def _missing(db: sqlite3.Connection) -> list[str]:
    """The columns that a file of an earlier release has not got."""
    there = {row[1] for row in db.execute("PRAGMA table_info(calls)")}
    return [name for name in _COLUMNS if name not in there]
