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

from aivideoapi_core._catalogue.amounts import parse_reported
from aivideoapi_core._catalogue.tokens import TokenCounts
from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._metering.quick_records import quick
from aivideoapi_core._metering.record import CallRecord, new_record, outcome_of
from aivideoapi_core._metering.totals import Sums
from aivideoapi_core._stores.ledger_older import WORD_THEN
from aivideoapi_core._stores.ledger_query import Key, Selection
from aivideoapi_core._stores.ledger_sql import charged, grouped_by_each, where
from aivideoapi_core._stores.ledger_tables import (
    CALLS_COLUMNS,
    COLUMNS,
    COUNTS,
    INSERT_CALL,
    INSERT_FACTS,
    prepare,
)
from aivideoapi_core._stores.sqlite_file import database_at, in_transaction

_counts_of: Final = attrgetter(*COUNTS)
_new_counts: Final = quick(TokenCounts)
_COUNT_COLUMNS: Final = tuple((count, f"{count}_tokens") for count in COUNTS)
_NO_COUNTS: Final = (None,) * len(COUNTS)
_NAMES: Final = ", ".join(COLUMNS)
_OUTCOME: Final = COLUMNS.index("outcome")
_PAGE: Final = 2_000
"""Rows that are read at once."""


class SqliteLedger:
    """Rows in a SQLite file, which refuses to change or remove them."""

    blocking = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.place = database_at(path)
        """One object for all budgets and ledgers of the file."""

    def append(self, record: CallRecord) -> None:
        """See ``LedgerStore``."""
        values = _values_of(record)
        self.place.run(lambda db: in_transaction(db, _put, values), prepare)

    def append_at_once(self, record: CallRecord) -> None:
        """The same without waiting, for an event loop. Raises ``WouldWaitError``."""
        values = _values_of(record)
        self.place.run_at_once(lambda db: in_transaction(db, _put, values), prepare)

    def entry(
        self, record: CallRecord, *, done: Callable[[Any], None], failed: Callable[[float], None]
    ) -> Entry:
        """``append`` as an entry that is written with others of the file."""
        values = _values_of(record)
        return Entry(self.place, lambda db: _put(db, values), done, failed)

    def records(self) -> Iterator[CallRecord]:
        """See ``LedgerStore``. Raises ``sqlite3.DatabaseError`` if the file is no ledger."""
        return self.selected(Selection())

    def selected(self, selection: Selection) -> Iterator[CallRecord]:
        """See ``LedgerStore``; a page of rows at a time is in memory."""
        condition, values = where(selection)
        ends = f"SELECT min(id), max(id) FROM ledger WHERE {condition}"  # noqa: S608 - our own columns, values are bound
        first, last = self.place.run(lambda db: db.execute(ends, values).fetchone(), prepare)
        if first is None:
            return iter(())
        return self._pages(condition, values, first - 1, last)

    def sums(
        self, selection: Selection, by: Sequence[str], zone: tzinfo | None
    ) -> dict[tuple[Key, ...], Sums]:
        """See ``LedgerStore``."""
        return self.sums_by_each(selection, [by], zone)[0]

    def sums_by_each(
        self, selection: Selection, groupings: Sequence[Sequence[str]], zone: tzinfo | None
    ) -> list[dict[tuple[Key, ...], Sums]]:
        """``sums`` for each of ``groupings``, of the same rows."""
        return self.place.run(
            lambda db: grouped_by_each(
                db, selection, groupings, zone, read=f"SELECT {_NAMES}", as_record=_record_of
            ),
            prepare,
        )

    def charged(self, selection: Selection) -> Sums | None:
        """See ``LedgerStore``."""
        return self.place.run(lambda db: charged(db, selection), prepare)

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self.place.close()

    def _pages(self, condition: str, values: Sequence[Any], seen: int, last: int) -> Iterator[CallRecord]:
        page = f"SELECT id, {_NAMES} FROM ledger WHERE id > ? AND id <= ? AND {condition} ORDER BY id LIMIT {_PAGE}"  # noqa: S608 - our own columns, values are bound
        while seen < last:
            rows = self.place.run(_fetching(page, (seen, last, *values)), prepare)
            if not rows:
                return
            yield from (_record_of(row) for _, *row in rows)
            seen = rows[-1][0]

    def __reduce__(self) -> Any:
        return SqliteLedger, (self.path,)


def _fetching(query: str, values: Sequence[Any]) -> Callable[[sqlite3.Connection], list[tuple[Any, ...]]]:
    return lambda db: db.execute(query, values).fetchall()


def _put(db: sqlite3.Connection, values: tuple[Any, ...]) -> None:
    """Write one row, in a transaction that somebody else begins and ends; a second time it does nothing."""
    outcome = values[_OUTCOME]
    then = WORD_THEN.get(outcome, outcome)
    exact, facts = None if then == outcome else outcome, values[CALLS_COLUMNS:]
    if db.execute(INSERT_FACTS, (exact, *facts)).rowcount:
        db.execute(INSERT_CALL, (*values[:_OUTCOME], then, *values[_OUTCOME + 1 : CALLS_COLUMNS]))


def _values_of(record: CallRecord) -> tuple[Any, ...]:
    """In the order of ``COLUMNS``."""
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
        json.dumps(record.tags) if record.tags else "[]",
        record.error,
        record.agent,
        record.thread,
        record.user,
        record.customer,
        record.budget,
        record.call_id,
    )


def _record_of(values: Sequence[Any]) -> CallRecord:
    """Of values in the order of ``COLUMNS``."""
    facts = dict(zip(COLUMNS, values, strict=True))
    del facts["route"]  # the model says it
    counts = {count: facts.pop(column) for count, column in _COUNT_COLUMNS}
    facts["tokens"] = None if counts["input"] is None else _new_counts(**counts)
    facts["outcome"] = outcome_of(facts["outcome"])
    facts["stream"] = None if facts["stream"] is None else bool(facts["stream"])
    facts["tags"] = () if facts["tags"] == "[]" else tuple(json.loads(facts["tags"]))
    facts["credits_reported"] = parse_reported(facts["credits_reported"])
    return new_record(**facts)
