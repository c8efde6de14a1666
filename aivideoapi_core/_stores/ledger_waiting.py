"""Rows of a ledger whose store was away, kept in this process until it takes them."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from typing import Final, Protocol

from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._stores.outage import Outage

logger = logging.getLogger("aivideoapi")

_MOST: Final = 10_000
"""Rows that wait at most, some ten megabytes."""
_TRIES: Final = 3
"""How often a row is tried on a store that took another just before; then it is the row's own fault."""


class _Store(Protocol):
    def append(self, record: CallRecord) -> None: ...


class WaitingRows:
    """Rows on their way into ``store``. None is lost to a server that is down or a file that is locked or full.

    A row is written twice if nobody knows whether it arrived; stores keep each call once.
    """

    def __init__(self, store: _Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._rows: deque[tuple[CallRecord, int]] = deque()
        """Each with how often it failed while the store took others."""
        self.outage = Outage()
        renew_in_child(self, WaitingRows._begin_in_child)

    def __bool__(self) -> bool:
        """Whether any wait."""
        return bool(self._rows)

    def _begin_in_child(self) -> None:
        """Those that wait are the parent's to write."""
        self._lock, self._rows = threading.Lock(), deque()

    def take(self, record: CallRecord) -> None:
        """Write ``record`` now, or keep it until the store takes it; then write what waits."""
        if self.outage.lasts:
            self._keep(record, "it hung a moment ago")
            return
        began_s = time.monotonic()
        try:
            self._store.append(record)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the paid answer goes on
            self.outage.failed(since_s=began_s)
            self._keep(record, f"{type(error).__name__}: {error}")
        else:
            if self._rows:
                self.write(took_another=True)

    def failed(self, since_s: float) -> None:
        """A write that began at ``since_s``, by ``time.monotonic``, and had a row in it failed."""
        self.outage.failed(since_s=since_s)

    def _keep(self, record: CallRecord, why: str) -> None:
        if len(self._rows) >= _MOST:
            logger.error("ledger: a row was not written (%s)", why)
            return
        self._rows.append((record, 0))
        _all.add(self)
        logger.error("ledger: a row waits for its store, %d in all (%s)", len(self._rows), why)

    def write(self, *, took_another: bool = False) -> None:
        """Write what waits, until one fails. ``took_another``: the store is there, so that such a row is to blame."""
        failures, rows = self.outage.failures, self._rows
        with self._lock:
            # Who waited behind a failure need not wait for its own.
            while rows and failures == self.outage.failures:
                (record, tried), began_s = rows[0], time.monotonic()
                try:
                    self._store.append(record)
                except Exception as error:  # noqa: BLE001 - whatever a store raises, the paid answer goes on
                    self.outage.failed(since_s=began_s)
                    if took_another:
                        self._blame(record, tried + 1, error)
                else:
                    rows.popleft()
            if not rows:
                _all.discard(self)

    def _blame(self, record: CallRecord, tried: int, error: Exception) -> None:
        if tried < _TRIES:
            self._rows.append((record, tried))
        else:
            logger.error("ledger: a row was not written (%s: %s)", type(error).__name__, error)
        self._rows.popleft()


_all: Final[set[WaitingRows]] = set()
"""Those with rows, also of ledgers that nobody holds any more: what they wait with was paid for."""


@atexit.register
def _write_before_the_end() -> None:
    for rows in list(_all):
        rows.write()
        if rows:
            logger.error("ledger: not written, their store is still away: %d rows", len(rows._rows))
