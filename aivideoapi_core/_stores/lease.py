"""The thread that keeps a process's reservations in a shared store, as long as calls run."""

from __future__ import annotations

import threading
import weakref
from typing import Protocol


class _Renews(Protocol):
    def renew(self) -> bool: ...


class LeaseKeeper(threading.Thread):
    """Calls ``renew`` of its purse ``every_s`` seconds, until that is false or nobody has the purse any more."""

    def __init__(self, purse: _Renews, *, every_s: float) -> None:
        super().__init__(name="aivideoapi-budget-lease", daemon=True)
        self._purse = weakref.ref(purse)
        self._every_s = every_s
        self._pause = threading.Event()

    def run(self) -> None:
        """Until no call runs any more."""
        while True:
            self._pause.wait(self._every_s)
            purse = self._purse()
            if purse is None or not purse.renew():
                return
            del purse
