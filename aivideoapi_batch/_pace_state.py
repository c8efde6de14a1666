"""``PaceState``: the rules by which a pace learns from the platform's 429s how many calls may run at once.

A 429 stops everybody: for as long as ``Retry-After`` says, else for a back-off of our own. Then one call
goes first, alone; once it has been let in, half of the former number may run, and one more with every
round that goes well (additive increase, multiplicative decrease, as TCP does).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final, Protocol

from aivideoapi_core import InvalidInputError, OverloadedError, RateLimitError

_FIRST_WAIT_S: Final = 1.0
_LONGEST_OWN_WAIT_S: Final = 60.0
_DOUBLINGS: Final = 10
_JITTER_S: Final = 1.0
"""Those who were stopped set off again over so many seconds, or a tenth of the pause where that is less."""


def check_most(most: int | None) -> None:
    """Raises ``InvalidInputError`` for what is no number of calls; ``None`` is no limit of its own."""
    if most is not None and (type(most) is not int or most < 1):
        raise InvalidInputError(f"most must be a whole number of at least 1, not {most!r}")


class Clock(Protocol):
    """Seconds that only grow, and a way to wait; tests bring their own."""

    def now(self) -> float:
        """Seconds."""

    async def sleep(self, delay_s: float) -> None:
        """Wait."""


class SystemClock:
    """This machine's."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait without holding the event loop."""
        await asyncio.sleep(delay_s)


def slows_down(error: BaseException) -> bool:
    """Whether ``error`` says "not so fast": a rate limit or an overload, which are not billed."""
    return isinstance(error, (RateLimitError, OverloadedError)) and error.retryable


@dataclass(slots=True)
class PaceState:
    """All there is to know of a pace; the methods are its rules. Times in seconds of one clock.

    ``limit``: how many may run now. ``until``: nobody sets off before. ``trying``: one call goes first.
    ``round`` counts the pauses: a 429 of a call that began before the last pause is old news.
    """

    most: float
    limit: float = field(init=False)
    running: int = 0
    until: float = 0.0
    spread_s: float = 0.0
    trying: bool = False
    tried: bool = False
    round: int = 0
    misses: int = 0

    def __post_init__(self) -> None:
        """Begin at full speed."""
        self.limit = self.most

    def ask(self, now: float, *, jitter: float) -> float | None:
        """0: go, and count as running. More: wait so many seconds. ``None``: wait until somebody has left."""
        if now < self.until:
            return self.until - now + jitter * self.spread_s
        if self.running >= max(1, int(self.limit)) or (self.trying and self.tried):
            return None
        self.tried = self.trying
        self.running += 1
        return 0.0

    def passed(self, *, began: int, went_well: bool) -> None:
        """A call that began in round ``began`` has left, and was not told to slow down."""
        self.running -= 1
        if began != self.round:
            return
        self.trying = self.tried = False
        self.misses = 0
        if went_well:
            self.limit = min(self.most, self.limit + 1 / self.limit)

    def slowed(self, now: float, *, began: int, wait_s: float | None) -> None:
        """A call that began in round ``began`` was told to slow down, for ``wait_s`` if the server said so."""
        self.running -= 1
        if began == self.round:
            self.limit = max(1.0, self.limit / 2)
            self.round += 1
            self.misses += 1
        if wait_s is None:
            wait_s = min(_FIRST_WAIT_S * 2.0 ** min(self.misses - 1, _DOUBLINGS), _LONGEST_OWN_WAIT_S)
        self.trying, self.tried = True, False
        self.until = max(self.until, now + wait_s)
        self.spread_s = min(_JITTER_S, wait_s / 10)

    @property
    def room(self) -> int:
        """How many more may set off once nobody has to wait."""
        return 1 if self.trying else max(1, int(self.limit)) - self.running
