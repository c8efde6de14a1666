"""Threads that keep a process's reservations in shared stores as long as calls run: one for each file or server.

One for each budget would be a thousand for a thousand users. One for all would let a server that
hangs cost the leases in every other.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import weakref
from collections.abc import Hashable
from typing import Final, Protocol
from weakref import WeakValueDictionary

from aivideoapi_core._metering.forks import renew_in_child


class _Renews(Protocol):
    def renew(self) -> bool: ...


class LeaseKeeper(threading.Thread):
    """Calls ``renew`` of each of its purses every so often, until that is false or nobody has the purse any more."""

    def __init__(self) -> None:
        super().__init__(name="aivideoapi-budget-lease", daemon=True)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._numbers = itertools.count()
        self._line: list[tuple[float, int, float, weakref.ref[_Renews]]] = []
        """Due when, a number, how often in seconds, whom; the next one first."""
        self._has_ended = False

    def add(self, purse: _Renews, *, every_s: float) -> bool:
        """Take ``purse`` in; ``False``: the thread is at its end."""
        with self._lock:
            if not self._has_ended:
                self._push(weakref.ref(purse), every_s)
                self._wake.set()
            return not self._has_ended

    def run(self) -> None:
        """Until no call runs any more."""
        while True:
            with self._lock:
                if not self._line:
                    self._has_ended = True
                    return
                due = self._line[0][0]
                self._wake.clear()
            if not self._wake.wait(max(0.0, due - time.monotonic())):
                self._renew_next()

    def _renew_next(self) -> None:
        with self._lock:
            _, _, every_s, whom = heapq.heappop(self._line)
        purse = whom()
        if purse is not None and purse.renew():
            with self._lock:
                self._push(whom, every_s)

    def _push(self, whom: weakref.ref[_Renews], every_s: float) -> None:
        heapq.heappush(self._line, (time.monotonic() + every_s, next(self._numbers), every_s, whom))


class _Keepers:
    """The threads of this process; a forked child begins without any."""

    def __init__(self) -> None:
        self._begin()
        renew_in_child(self, _Keepers._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._by_place: WeakValueDictionary[Hashable, LeaseKeeper] = WeakValueDictionary()

    def keep(self, purse: _Renews, place: Hashable, *, every_s: float) -> LeaseKeeper:
        with self._lock:
            keeper = self._by_place.get(place)
            if keeper is None or not keeper.is_alive() or not keeper.add(purse, every_s=every_s):
                keeper = self._by_place[place] = LeaseKeeper()
                keeper.add(purse, every_s=every_s)
                keeper.start()
            return keeper


_KEEPERS: Final = _Keepers()


def keep_lease(purse: _Renews, place: Hashable, *, every_s: float) -> LeaseKeeper:
    """The thread that from now on renews ``purse``'s lease ``every_s`` seconds; all at one ``place`` share it."""
    return _KEEPERS.keep(purse, place, every_s=every_s)
