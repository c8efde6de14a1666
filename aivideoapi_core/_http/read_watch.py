"""The read timeout of aiohttp's bodies: a clever corner of its own.

What calls it: ``aiohttp_transport``, around each read of a body.
What we answer: a read that has waited for ``timeout_s`` ends, as one of httpx's does; time in which nobody reads is not
counted. How: one timer for each body, which looks when the read that waits has begun, and goes on for what is left.
What breaks without it: nothing. aiohttp's own timeout does the same, but drops a timer of the event loop and makes
another for everything that arrives: they pile up in the loop until they would have rung, in 600 s.
What it buys: 2.7 of 19.5 µs for each delta of the core's client (100 streams of 60 deltas at once).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import ref


class ReadWatch:
    """Calls ``expire`` once a read has waited for ``timeout_s`` seconds (``None``: never); ``loop`` keeps the time."""

    __slots__ = ("__weakref__", "_expire", "_loop", "_since_s", "_timeout_s", "_timer", "expired")

    def __init__(
        self, expire: Callable[[], None], timeout_s: float | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._expire = expire
        self._loop = loop
        self._timeout_s = timeout_s
        self._since_s: float | None = None
        """When the read that waits began."""
        self._timer = None if timeout_s is None else loop.call_later(timeout_s, _look, ref(self))
        self.expired = False

    def begins(self) -> None:
        """A read begins."""
        self._since_s = self._loop.time()

    def ends(self) -> None:
        """It has got something."""
        self._since_s = None

    def close(self) -> None:
        """No more reads."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """The timer has run out: so has the read, or the timer goes on for what the read has left."""
        assert self._timeout_s is not None  # noqa: S101 - for the type checker: there is no timer then
        waited_s = 0.0 if self._since_s is None else self._loop.time() - self._since_s
        if waited_s < self._timeout_s:
            self._timer = self._loop.call_later(self._timeout_s - waited_s, _look, ref(self))
        else:
            self._timer, self.expired = None, True
            self._expire()


def _look(known: ref[ReadWatch]) -> None:
    watch = known()  # a timer of the loop must not keep a reply that everybody has dropped
    if watch is not None:
        watch.look()
