"""``SpendLedger``: one row for every call, kept for people to look at. Rows are only ever added.

A row has the facts of a ``CallRecord``: time, model, tokens, credits reported and computed, request
id, latency, tags. Never content, never the key.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Protocol

from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._metering.summary import CreditsSummary
from aivideoapi_core._stores.target import ledger_store_of

logger = logging.getLogger("aivideoapi")


class LedgerStore(Protocol):
    """Where rows go. ``blocking``: whether writing can wait (a file, a network)."""

    blocking: bool

    def append(self, record: CallRecord) -> None:
        """Write one row, whole or not at all."""

    def records(self) -> Iterator[CallRecord]:
        """All rows, in the order in which they were written."""

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""


class SpendLedger:
    """An append-only book of calls, shared by as many models of both frameworks as hold it.

    ``target``: ``None`` (this process), the path of a SQLite file (the processes of one machine) or a
    Redis URL or client (many machines; ``name`` says which ledger). Read it with ``records()`` or
    ``summary``, or with ``aivideoapi spend --ledger FILE``.
    """

    def __init__(self, target: Any = None, *, name: str = "default") -> None:
        self._store: LedgerStore = ledger_store_of(target, name=name)

    def append(self, record: CallRecord) -> None:
        """Write one row. A row that cannot be written is logged and lost: the answer matters more."""
        try:
            self._store.append(record)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the paid answer goes on
            logger.error("ledger: a row was not written (%s: %s)", type(error).__name__, error)

    def append_at_once(self, record: CallRecord) -> bool:
        """``append`` without waiting, for an event loop; ``False`` if that cannot be, then nothing was written."""
        if not self._store.blocking:
            self.append(record)
            return True
        append = getattr(self._store, "append_at_once", None)
        if append is None:
            return False
        try:
            append(record)
        except Exception:  # noqa: BLE001 - busy or broken: a thread tries again, and logs
            return False
        return True

    def records(self) -> Iterator[CallRecord]:
        """All rows, in the order in which they were written."""
        DROPPED.do()
        return self._store.records()

    @property
    def summary(self) -> CreditsSummary:
        """The sums over all rows."""
        return CreditsSummary.of(self.records())

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
        self._store.close()

    def __copy__(self) -> SpendLedger:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SpendLedger:
        # A copied model writes into the same book.
        return self
