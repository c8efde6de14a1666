"""The tables of a ledger in a SQLite file, which releases share.

The first release writes its rows into ``calls`` by place and reads all of its columns, so that table stays
as it is for good. What later releases know besides is in ``facts``, a row for each row of ``calls``; both
are written and read through the view ``ledger``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from aivideoapi_core._metering.attribution import ATTRIBUTES
from aivideoapi_core._stores.ledger_older import WORD_THEN
from aivideoapi_core._stores.sqlite_file import mark_format

COUNTS: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "thinking")
_CALLS: Final = {
    "started_at": "REAL NOT NULL",
    "model": "TEXT NOT NULL",
    "route": "TEXT NOT NULL",
    "framework": "TEXT",
    "outcome": "TEXT NOT NULL",
    "stream": "INTEGER",
    **{f"{count}_tokens": "INTEGER" for count in COUNTS},
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
_FACTS: Final = (*ATTRIBUTES, "budget", "call_id")
COLUMNS: Final = (*_CALLS, *_FACTS)
"""Of the view, beside ``id``, the place of the row."""
CALLS_COLUMNS: Final = len(_CALLS)
"""How many of ``COLUMNS`` are those of the first release."""


def _all(names: Iterable[str], *, of: str = "", but: Mapping[str, str] = MappingProxyType({})) -> str:
    return ", ".join(but.get(name) or f"{of}{name}" for name in names)


_THEN: Final = " ".join(f"WHEN '{word}' THEN '{then}'" for word, then in WORD_THEN.items())
_OUTCOME_THEN: Final = f"CASE NEW.outcome {_THEN} ELSE NEW.outcome END"
_OUTCOME: Final = f"""CASE WHEN calls.outcome IN ({", ".join(f"'{then}'" for then in sorted({*WORD_THEN.values()}))})
THEN coalesce((SELECT exact.outcome FROM facts AS exact WHERE exact.id = calls.rowid), calls.outcome)
ELSE calls.outcome END AS outcome"""  # noqa: S608 - our own names
"""Looked up only where it can be another: sums that ask for no other fact need not look into the second table."""
# No row is ever removed, so the places of rows are 1, 2, 3 and so on, also after VACUUM or a dump.
_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS calls ({", ".join(f"{name} {kind}" for name, kind in _CALLS.items())});
CREATE TABLE IF NOT EXISTS facts (id INTEGER PRIMARY KEY, outcome TEXT, {", ".join(f"{name} TEXT" for name in _FACTS)});
CREATE UNIQUE INDEX IF NOT EXISTS facts_by_call ON facts (call_id);
CREATE INDEX IF NOT EXISTS calls_by_time ON calls (started_at);
CREATE VIEW IF NOT EXISTS ledger AS
SELECT calls.rowid AS id, {_all(_CALLS, of="calls.", but={"outcome": _OUTCOME})}, {_all(_FACTS, of="facts.")}
FROM calls LEFT JOIN facts ON facts.id = calls.rowid;
CREATE TRIGGER IF NOT EXISTS ledger_row INSTEAD OF INSERT ON ledger
WHEN NEW.call_id IS NULL OR NOT EXISTS (SELECT 1 FROM facts WHERE call_id = NEW.call_id)
BEGIN
INSERT INTO calls ({_all(_CALLS)}) VALUES ({_all(_CALLS, of="NEW.", but={"outcome": _OUTCOME_THEN})});
INSERT INTO facts (id, outcome, {_all(_FACTS)})
VALUES (last_insert_rowid(), nullif(NEW.outcome, {_OUTCOME_THEN}), {_all(_FACTS, of="NEW.")});
END;
"""  # noqa: S608 - our own names
INSERT_FACTS: Final = (
    f"INSERT INTO facts (id, outcome, {_all(_FACTS)}) "  # noqa: S608 - our own names
    f"VALUES ((SELECT coalesce(max(rowid), 0) + 1 FROM calls), ?{', ?' * len(_FACTS)}) ON CONFLICT (call_id) DO NOTHING"
)
"""What the first release does not know; of a call that has its row already nothing is written."""
INSERT_CALL: Final = (
    f"INSERT INTO calls (rowid, {_all(_CALLS)}) VALUES (last_insert_rowid(){', ?' * len(_CALLS)})"  # noqa: S608 - our own names
)
"""The rest of the row, behind ``INSERT_FACTS`` in one transaction. What the view's trigger does, in half the time."""
_FINAL: Final = "".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_{name} BEFORE {change} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not {done}'); END;"
    for table in ("calls", "facts")
    for name, change, done in (("stay", "DELETE", "removed"), ("are_final", "UPDATE", "changed"))
)
_TAKE_OVER: Final = (
    f"INSERT INTO facts (id, {_all(_FACTS)}) SELECT rowid, {_all(_FACTS)} FROM calls "  # noqa: S608 - our own names
    "WHERE call_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM facts WHERE facts.id = calls.rowid)"
)
"""Of a file that a development version wrote, where ``calls`` has more columns."""


def prepare(db: sqlite3.Connection) -> None:
    """Make a file ready to be a ledger; one that is one already stays as it is."""
    db.executescript(_TABLES + _FINAL)
    if any(row[1] == "call_id" for row in db.execute("PRAGMA table_info(calls)")):
        db.execute(_TAKE_OVER)
    mark_format(db)
