"""The bill of a call, and how it is written: in one write, where budget and ledger are in one place.

``keep_books`` is for whoever has a result of its own to write down with it (a job's journal): a process that dies
then leaves the figure, the row and the result, or none of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from aivideoapi_core._metering.blocks import Blocks
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._metering.undisturbed import in_thread

logger = logging.getLogger("aivideoapi")


class Place(Protocol):
    """A file or a server that takes several entries in one write. One object in a process for each."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Write all of ``entries``. If it raises, some may have been written: they can be written again."""

    def write_at_once(self, entries: Sequence[Entry]) -> None:
        """``write`` without waiting, for an event loop: raises if it would have to."""


def _nothing(answer: Any) -> None:
    pass


@dataclass(slots=True, eq=False)  # not frozen: two are made for every call
class Entry:
    """One thing to be written in a ``place``; written twice it is there once.

    SQLite: ``put`` runs its statements on the connection that it gets, inside a transaction that is open, and ``done``
    gets what it returned. Redis: ``put`` queues one command in the pipeline that it gets, and ``done`` gets the
    answer. ``done`` is called once it is safe; if that raises, the entry counts as not written. ``failed`` gets the
    time, by ``time.monotonic``, at which a write began that did not succeed: a place that hangs is waited for once.
    """

    place: Place
    put: Callable[[Any], Any]
    done: Callable[[Any], None] = _nothing
    failed: Callable[[float], None] = _nothing


class Bill:
    """What one call has to book: its figure in place of its reservation, and its row; each of them once."""

    def __init__(
        self, budget: Any, hold: Any, micro: int | None, unknown: bool, ledger: Any, record: CallRecord
    ) -> None:
        self._budget, self._hold, self._micro, self._unknown = budget, hold, micro, unknown
        self._ledger, self.record = ledger, record
        self._beside: Entry | None = None
        self._is_settled = budget is None or hold is None
        self._is_written = ledger is None

    def have_beside(self, entry: Entry | None) -> None:
        """Write ``entry`` too: in one write with the figure and the row where that can be, else right after them."""
        if entry is None:
            return
        done = entry.done

        def written(answer: Any) -> None:
            done(answer)
            self._beside = None

        self._beside = replace(entry, done=written)

    def book_together(self, *, waits: bool) -> bool:
        """One write for what is in one place; ``False`` if it would have to wait and must not."""
        place = getattr(self._ledger, "place", None)
        if self._beside is None and (place is None or self._is_settled or self._is_written):
            return True
        entries = self.entries()
        if self._beside is not None:
            entries.append(self._beside)
        for place, group in _by_place(entries).items():
            if len(group) > 1 and not _written(place, group, waits=waits) and not waits:
                return False
        return True

    def settle(self, *, waits: bool) -> bool:
        """Book the figure, if it is not booked; ``False`` if it would have to wait and must not."""
        if not self._is_settled:
            if waits:
                self._budget.settle(self._hold, self._micro, unknown=self._unknown)
                self._is_settled = True
            else:
                self._is_settled = self._budget.settle_at_once(self._hold, self._micro, unknown=self._unknown)
        return self._is_settled

    def write_down(self, *, waits: bool) -> bool:
        """Write the row, if it is not written; ``False`` if it would have to wait and must not."""
        if not self._is_written:
            if waits:
                self._ledger.append(self.record)
                self._is_written = True
            else:
                self._is_written = self._ledger.append_at_once(self.record)
        if not self._is_written or self._beside is None:
            return self._is_written
        # After the money: no book that is told of a call may be above the ledger.
        return _written(self._beside.place, [self._beside], waits=waits) or waits

    def entries(self) -> list[Entry]:
        """What is not written yet and can be written with others."""
        entries: list[Entry] = []
        if not self._is_settled and hasattr(self._budget, "settling"):
            entries += self._budget.settling(
                self._hold, self._micro, unknown=self._unknown, done=self._settled
            )
        if not self._is_written and getattr(self._ledger, "place", None) is not None:
            entries.append(self._ledger.entry(self.record, done=self._written))
        return entries

    def _settled(self) -> None:
        self._is_settled = True

    def _written(self) -> None:
        self._is_written = True


class Books:
    """The bills of the calls in a ``keep_books`` block that are not booked yet."""

    def __init__(self, beside: Callable[[CallRecord], Entry | None] | None = None) -> None:
        self._beside = beside
        self._bills: list[Bill] = []
        self._is_closed = False

    def take(self, bill: Bill) -> bool:
        """Book ``bill`` later, once however often it is taken; ``False``: it is to be booked at once."""
        if self._is_closed:
            return False
        if self._beside is not None:
            bill.have_beside(self._beside(bill.record))
            return False
        self._bills.append(bill)
        return True

    def write(self, entry: Entry | None = None) -> bool:
        """Book what is there, together with ``entry`` where that is in the same place; whether ``entry`` was written."""
        return self._written(entry, waits=True) or False

    async def awrite(self, entry: Entry | None = None) -> bool:
        """The asynchronous twin of ``write``, carried to its end however often the task is cancelled."""
        written = self._written(entry, waits=False)
        if written is None:
            answers: list[bool] = []
            await in_thread(lambda: answers.append(self.write(entry)))
            return any(answers)
        return written

    def close(self) -> None:
        """Keep no more, and book what is left; on an event loop in a thread, which nobody waits for."""
        self._is_closed = True
        if DROPPED.in_collector:
            DROPPED.put(self.write)
        elif self._bills and self._written(None, waits=False) is None:
            import asyncio  # whoever runs an event loop has loaded it

            try:
                asyncio.get_running_loop().run_in_executor(None, self.write)
            except RuntimeError:  # no event loop here, or one that is ending
                self.write()

    def _written(self, entry: Entry | None, *, waits: bool) -> bool | None:
        """Whether ``entry`` was written; ``None``: something is left for which one would have to wait."""
        bills = self._bills
        entries = [each for bill in bills for each in bill.entries()]
        if entry is not None:
            entries.append(entry)
        is_written = False
        for place, group in _by_place(entries).items():
            if _written(place, group, waits=waits):
                is_written = is_written or entry in group
            elif not waits:
                return None
        # Money first: what could not be written together is booked by itself, whatever becomes of the entry.
        while bills:
            if not (_booked(bills[0].settle, waits) and _booked(bills[0].write_down, waits)):
                return None
            bills.pop(0)
        return is_written


def _by_place(entries: Iterable[Entry]) -> dict[Place, list[Entry]]:
    groups: dict[Place, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.place, []).append(entry)
    return groups


def _written(place: Place, entries: Sequence[Entry], *, waits: bool) -> bool:
    """Whether ``place`` took ``entries``. If not, each is tried by itself, which says what is wrong."""
    began_s = time.monotonic()
    try:
        (place.write if waits else place.write_at_once)(entries)
    except Exception as error:  # noqa: BLE001 - whatever a place raises, the paid answer goes on
        logger.debug("one write for several entries failed (%s)", type(error).__name__)
        if waits:
            for entry in entries:
                entry.failed(began_s)
        return False
    return True


def _booked(step: Callable[..., bool], waits: bool) -> bool:
    try:
        return step(waits=waits)
    except Exception as error:  # noqa: BLE001 - whatever it is: the answer is paid for, and the next step counts
        logger.error("booking a call failed (%s)", type(error).__name__)
        return True


_KEPT: Final[Blocks[Books]] = Blocks("aivideoapi_kept_books")


@contextmanager
def keep_books(beside: Callable[[CallRecord], Entry | None] | None = None) -> Iterator[Books]:
    """A block whose calls reserve as ever, and are booked and written down when the block says so, or is left.

    Until then the reservations are held: write before waiting for room. A process that dies before leaves
    reservations, which ``when_owner_dies="count"`` books as spent. With ``beside`` each call is booked as it ends, and
    what ``beside`` makes of its record is written with it, where they are in one place.
    """
    books = Books(beside)
    with _KEPT.open(books):
        try:
            yield books
        finally:
            books.close()


def kept_books() -> Books | None:
    """Those of the innermost open block."""
    open_books = _KEPT.values()
    return open_books[-1] if open_books else None
