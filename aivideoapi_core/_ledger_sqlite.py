"""A ledger in a SQLite file, for the processes of one machine."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from aivideoapi_core._budget_sqlite import open_database
from aivideoapi_core._record import CallRecord

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
CREATE INDEX IF NOT EXISTS calls_by_time ON calls (started_at);
CREATE TRIGGER IF NOT EXISTS calls_stay BEFORE DELETE ON calls
BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not removed'); END;
CREATE TRIGGER IF NOT EXISTS calls_are_final BEFORE UPDATE ON calls
BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not changed'); END;
"""
_INSERT: Final = f"INSERT INTO calls VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own columns


class SqliteLedger:
    """Rows in the table ``calls`` of a SQLite file, which refuses to change or remove them."""

    blocking = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._open: tuple[int, sqlite3.Connection] | None = None

    def append(self, record: CallRecord) -> None:
        """See ``LedgerStore``."""
        row = record.to_dict()
        tokens = row.pop("tokens") or {}
        row |= {f"{count}_tokens": tokens.get(count) for count in _COUNTS}
        row["tags"] = json.dumps(row["tags"])
        with self._lock:
            self._connection().execute(_INSERT, [row[name] for name in _COLUMNS])

    def records(self) -> Iterator[CallRecord]:
        """See ``LedgerStore``. Raises ``sqlite3.DatabaseError`` if the file is no ledger."""
        with self._lock:
            rows = self._connection().execute("SELECT * FROM calls ORDER BY rowid").fetchall()
        return map(_record_of, rows)

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            own, self._open = self._open, None
            if own is not None and own[0] == os.getpid():
                own[1].close()

    def __reduce__(self) -> Any:
        return SqliteLedger, (self.path,)

    def _connection(self) -> sqlite3.Connection:
        if self._open is None or self._open[0] != os.getpid():  # a connection does not survive a fork
            self._open = os.getpid(), open_database(self.path, _SCHEMA)
        return self._open[1]


def _record_of(values: Iterable[Any]) -> CallRecord:
    row = dict(zip(_COLUMNS, values, strict=True))
    counts = {count: row.pop(f"{count}_tokens") for count in _COUNTS}
    row["tokens"] = None if counts["input"] is None else counts
    row["tags"] = json.loads(row["tags"])
    row["stream"] = None if row["stream"] is None else bool(row["stream"])
    return CallRecord.from_dict(row)
