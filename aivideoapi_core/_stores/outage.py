"""The outage of a store: whether one that hung a moment ago is asked again already.

Twenty calls that end while a server hangs would each wait for its timeout, six at a time in an event loop's threads:
their answers would be minutes late. So after one that hung the next ones only put down what is to be written.
"""

from __future__ import annotations

import time
from typing import Final

_HANGS_S: Final = 1.0
"""An attempt that failed after so long hung; one that failed at once costs nothing, and is repeated each time."""
_PAUSE_S: Final = 30.0
"""For so long nobody who need not asks again."""


class Outage:
    """What is known of the failures of one store."""

    def __init__(self) -> None:
        self.failures = 0
        self._until_s = 0.0

    @property
    def lasts(self) -> bool:
        """Whether the store hung a moment ago."""
        return time.monotonic() < self._until_s

    def failed(self, *, since_s: float) -> None:
        """An attempt failed that began at ``since_s``, by ``time.monotonic``."""
        self.failures += 1
        now_s = time.monotonic()
        if now_s - since_s >= _HANGS_S:
            self._until_s = now_s + _PAUSE_S
