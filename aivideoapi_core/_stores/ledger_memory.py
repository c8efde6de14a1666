"""A ledger in this process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from aivideoapi_core._metering.record import CallRecord


class MemoryLedger:
    """Rows in a list, each call once."""

    blocking = False

    def __init__(self) -> None:
        self._rows: dict[str | int, CallRecord] = {}
        self._numbers = itertools.count()

    def append(self, record: CallRecord) -> None:
        """See ``LedgerStore``."""
        # One step, so that threads and interruptions find a row there or not.
        self._rows.setdefault(record.call_id or next(self._numbers), record)

    def records(self) -> Iterator[CallRecord]:
        """See ``LedgerStore``."""
        return iter(list(self._rows.values()))

    def close(self) -> None:
        """Nothing to let go of."""

    def __reduce__(self) -> Any:
        raise TypeError(
            "a ledger in memory cannot go to another process: give it a SQLite file or a Redis URL"
        )
