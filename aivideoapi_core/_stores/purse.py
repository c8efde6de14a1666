"""A process's side of a budget: what it reserves and books in the store, and what it still has to book."""

from __future__ import annotations

import asyncio
import atexit
import functools
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple
from weakref import WeakSet

from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._stores.budget_terms import (
    BudgetStore,
    NewerFormatError,
    Standing,
    Terms,
    TermsDifferError,
    Turn,
)
from aivideoapi_core._stores.budget_thresholds import ThresholdHandler, tell
from aivideoapi_core._stores.lease import LeaseKeeper, keep_lease
from aivideoapi_core._stores.outage import Outage
from aivideoapi_core._stores.wait_line import Asking, Patience, WaitLine

logger = logging.getLogger("aivideoapi")


class Booking(NamedTuple):
    """A figure to be booked in place of a reservation."""

    id: str
    micro: int
    unknown: bool


class Purse:
    """Reservations and bookings of one process. Raises what the store raises, except where it says otherwise.

    Bookings go through a queue that needs no lock to be put into, so that none is lost to a cancelled
    task, a closed event loop or a store that is away; the next call, the lease's thread, ``close`` or the end
    of the process makes up for what waits there.
    """

    def __init__(
        self,
        store: BudgetStore,
        terms: Terms,
        name: str,
        handlers: Mapping[float, ThresholdHandler] | None = None,
    ) -> None:
        """``handlers``: by threshold of ``terms``, who is told of a booking that was the first to pass it."""
        self.store = store
        self.handlers = handlers or {}
        self.terms = terms
        self.name = name
        self.line = WaitLine()
        self._lock = threading.Lock()
        self._booking_lock = threading.Lock()
        self._waiting: deque[Booking] = deque()
        self._outage = Outage()
        self._owner = _new_owner()
        self._running: set[str] = set()
        self._keeper: LeaseKeeper | None = None
        renew_in_child(self, Purse._begin_in_child)
        _purses.add(self)

    def _begin_in_child(self) -> None:
        """The child is another owner; what runs, and what is to be booked, is the parent's."""
        self._lock, self._booking_lock = threading.Lock(), threading.Lock()
        self._waiting = deque()
        self._owner, self._running, self._keeper = _new_owner(), set(), None

    @property
    def owner(self) -> str:
        """This process, as the store knows it."""
        return self._owner

    @property
    def place(self) -> Hashable:
        """The file or server, equal for all budgets that are there."""
        place: Hashable = getattr(self.store, "place", id(self.store))
        return place

    @property
    def keeper(self) -> LeaseKeeper | None:
        """The thread that renews the lease, while calls run."""
        return self._keeper

    def reserve(self, id: str, micro: int, turn: Turn) -> Standing:
        """Ask for a reservation. If the store fails, whatever it may have reserved is given back."""
        if self._waiting and not self._outage.lasts:
            self.book_all()
        try:
            standing = self.store.reserve(self.terms, id=id, owner=self._owner, micro=micro, turn=turn)
            return self._noted(id, standing)
        except (TermsDifferError, NewerFormatError):
            raise
        except BaseException:
            # Nobody knows whether it was made: the answer may have been lost, not the question.
            self.give_back(id)
            raise

    async def areserve(self, id: str, micro: int, turn: Turn) -> Standing:
        """The asynchronous twin of ``reserve``. Cancelled, it leaves nothing reserved."""
        if not self.store.blocking:
            return self.reserve(id, micro, turn)
        at_once = self._reserve_at_once(id, micro, turn)
        if at_once is not None:
            return at_once
        asked = _InThread(self, id, micro, turn)
        try:
            return await asyncio.get_running_loop().run_in_executor(None, asked)
        except BaseException:
            # A cancelled task, or an event loop that ended: what the thread does must not stay reserved.
            asked.give_up()
            raise

    def _reserve_at_once(self, id: str, micro: int, turn: Turn) -> Standing | None:
        """Reserve without waiting for the store; ``None`` if a thread has to be asked."""
        store = getattr(self.store, "at_once", None)
        if store is None or self._waiting:
            return None
        try:
            standing = store.reserve(self.terms, id=id, owner=self._owner, micro=micro, turn=turn)
        except Exception:  # noqa: BLE001 - busy or broken: the thread finds out which
            return None
        try:
            return self._noted(id, standing)
        except BaseException:
            self.give_back(id)
            raise

    def give_back(self, id: str) -> None:
        """Book 0 with the next chance, and leave the store's line. Takes no lock."""
        self._waiting.append(Booking(id, 0, False))

    def asking(self, id: str, patience: Patience) -> Asking:
        """One call that asks for reservation ``id``, and waits for its turn."""
        abandon = functools.partial(self.abandon, id)
        return Asking(self.line, patience=patience, shared=self.store.shared, abandon=abandon)

    def abandon(self, id: str, error: BaseException) -> None:
        """Give back what ``id`` may have reserved, for a call that was left with ``error``. Waits for no store
        on an event loop.
        """
        self.give_back(id)
        # A task that is collected may be so anywhere, and must take no lock.
        if not isinstance(error, GeneratorExit) and not DROPPED.in_collector:
            self._book_soon()

    def book(self, id: str, micro: int, *, unknown: bool) -> None:
        """Book now, or with the next chance if the store is away. Never raises for a broken store."""
        self._waiting.append(Booking(id, micro, unknown))
        if not self._outage.lasts:
            self.book_all()

    def book_at_once(self, id: str, micro: int, *, unknown: bool) -> bool:
        """``book`` without waiting for the store; ``False`` if that cannot be, then nothing was done."""
        if not self.store.blocking:
            self.book(id, micro, unknown=unknown)
            return True
        store = getattr(self.store, "at_once", None)
        if store is None or self._waiting:
            return False
        try:
            booked = store.settle(self.terms, id=id, micro=micro, unknown=unknown)
        except Exception:  # noqa: BLE001 - busy or broken: a thread tries again, and logs
            return False
        self._booked(id, booked)
        return True

    def settling(
        self,
        id: str,
        micro: int,
        *,
        unknown: bool,
        done: Callable[[], None],
    ) -> Entry | None:
        """``book`` as an entry that is written with others; ``None`` where the store is no place for that."""
        settling = getattr(self.store, "settling", None)
        if settling is None:
            return None

        def booked(standing: Standing) -> None:
            self._booked(id, standing)
            done()

        entry: Entry | None = settling(
            self.terms, id=id, micro=micro, unknown=unknown, done=booked, failed=self._failed
        )
        return entry

    def _failed(self, since_s: float) -> None:
        self._outage.failed(since_s=since_s)

    def _booked(self, id: str, standing: Standing) -> None:
        self._running.discard(id)
        self.line.wake_first()
        if standing.passed:
            tell(self.name, self.handlers, standing)

    def book_all(self) -> None:
        """Book what waits to be booked; leave it waiting if the store cannot be reached."""
        waiting, outage = self._waiting, self._outage
        failures = outage.failures
        passed: list[Standing] = []
        with self._booking_lock:
            # Who waited behind a failure need not wait for its own.
            while waiting and failures == outage.failures:
                booking, began_s = waiting[0], time.monotonic()
                try:
                    booked = self.store.settle(
                        self.terms, id=booking.id, micro=booking.micro, unknown=booking.unknown
                    )
                except Exception as error:  # noqa: BLE001 - whatever a store raises, the paid answer goes on
                    outage.failed(since_s=began_s)
                    logger.warning(
                        "budget %r: %d bookings wait for the store (%s)",
                        self.name,
                        len(waiting),
                        type(error).__name__,
                    )
                    break
                waiting.popleft()
                self._running.discard(booking.id)
                if booked.passed:
                    passed.append(booked)
        self.line.wake_first()
        # Not before the lock is free: who is told may look at the budget.
        for standing in passed:
            tell(self.name, self.handlers, standing)

    def _book_soon(self) -> None:
        """Book what waits; on an event loop in a thread, which nobody waits for."""
        try:
            loop = asyncio.get_running_loop() if self.store.blocking else None
        except RuntimeError:
            loop = None
        try:
            if loop is not None:
                loop.run_in_executor(None, self.book_all)
                return
        except RuntimeError:  # the event loop is ending, and takes no more work
            pass
        self.book_all()

    def _noted(self, id: str, standing: Standing) -> Standing:
        if not self.terms.joined or _agreed_micro(standing) != self.terms.limit_micro:
            self.join(standing)
        if standing.granted:
            self._running.add(id)
            if self.store.shared and (self._keeper is None or not self._keeper.is_alive()):
                self._keep_lease()
        return standing

    def join(self, standing: Standing) -> None:
        """The store agreed to our terms; from now on its limit is ours."""
        self.terms = replace(self.terms, joined=True, limit_micro=_agreed_micro(standing))

    def _keep_lease(self) -> None:
        with self._lock:
            if self._keeper is None or not self._keeper.is_alive():
                self._keeper = keep_lease(self, self.place, every_s=self.terms.lease_s / 3)

    def renew(self) -> bool:
        """Renew the lease and book what waits; whether there is a reason to go on."""
        DROPPED.do()
        with self._lock:
            # In this order: a call that begins meanwhile is seen here, or sees that nobody keeps its lease.
            keeper, self._keeper = self._keeper, None
            running = bool(self._running or self._waiting)
            if running:
                self._keeper = keeper
        if running:
            self.book_all()
            try:
                self.store.renew(self.terms, owner=self._owner)
            except Exception as error:  # noqa: BLE001 - tried again soon; the lease allows for two misses
                logger.warning("budget %r: the lease was not renewed (%s)", self.name, type(error).__name__)
        return running

    def close(self) -> None:
        """Book what waits, then let go of files and connections; a later call opens them again."""
        for _ in range(2):  # the lease's thread may have failed while the first waited behind it
            if self._waiting:
                self.book_all()
        self.store.close()


class _InThread:
    """A reservation asked for in a thread, for a task that may be gone before the answer is there.

    Without a lock, because the task may go as a finalizer does. Whoever comes second gives back; both may.
    """

    def __init__(self, purse: Purse, id: str, micro: int, turn: Turn) -> None:
        self._purse, self._id, self._micro, self._turn = purse, id, micro, turn
        self._given_up = self._granted = False

    def __call__(self) -> Standing:
        standing = self._purse.reserve(self._id, self._micro, self._turn)
        self._granted = standing.granted
        if self._given_up:
            self._purse.book(self._id, 0, unknown=False)
        return standing

    def give_up(self) -> None:
        """The task has gone. If the answer is there already, the reservation is given back with the next chance."""
        self._given_up = True
        if self._granted:
            self._purse.give_back(self._id)


def _agreed_micro(standing: Standing) -> int:
    """The limit that holds when a raise is over."""
    return standing.limit_micro - standing.raised_micro


def _new_owner() -> str:
    """Whom a refusal names: this machine and process, and which of its budgets."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(6).hex()}"


_purses: Final[WeakSet[Purse]] = WeakSet()


@atexit.register
def _book_before_the_end() -> None:
    away: set[Hashable] = set()  # one attempt for each server, not for each of its thousand budgets
    for purse in list(_purses):
        if purse._waiting and purse.place not in away:
            purse.book_all()
            if purse._waiting:
                away.add(purse.place)
