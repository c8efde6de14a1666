"""A ledger in a SQLite file, for the processes of one machine."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from aivideoapi_core._metering.record import CallRecord
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
}
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS calls ({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())});
CREATE TRIGGER IF NOT EXISTS calls_stay BEFORE DELETE ON calls
BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not removed'); END;
CREATE TRIGGER IF NOT EXISTS calls_are_final BEFORE UPDATE ON calls
BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not changed'); END;
"""
_counts_of: Final = attrgetter(*_COUNTS)
_NO_COUNTS: Final = (None,) * len(_COUNTS)
_READ: Final = "SELECT * FROM calls ORDER BY rowid"
_INSERT: Final = f"INSERT INTO calls VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own columns


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
        return map(_record_of, self._database.run(lambda db: db.execute(_READ).fetchall()))

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self._database.close()

    def __reduce__(self) -> Any:
        return SqliteLedger, (self.path,)


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
    )


def _record_of(values: Iterable[Any]) -> CallRecord:
    row = dict(zip(_COLUMNS, values, strict=True))
    counts = {count: row.pop(f"{count}_tokens") for count in _COUNTS}
    row["tokens"] = None if counts["input"] is None else counts
    row["tags"] = json.loads(row["tags"])
    row["stream"] = None if row["stream"] is None else bool(row["stream"])
    return CallRecord.from_dict(row)


def _prepare(db: sqlite3.Connection) -> None:
    db.executescript(_SCHEMA)
    mark_format(db)
