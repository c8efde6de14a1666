"""A ledger in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aivideoapi_core._metering.record import CallRecord


class MemoryLedger:
    """Rows in a list."""

    blocking = False

    def __init__(self) -> None:
        self._rows: list[CallRecord] = []

    def append(self, record: CallRecord) -> None:
        self._rows.append(record)

    def records(self) -> Iterator[CallRecord]:
        return iter(list(self._rows))

    def close(self) -> None:
        """Nothing to let go of."""

    def __reduce__(self) -> Any:
        raise TypeError(
            "a ledger in memory cannot go to another process: give it a SQLite file or a Redis URL"
        )
