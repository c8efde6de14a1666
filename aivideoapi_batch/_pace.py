"""``Pace``: how many calls may run at once, learnt from the platform's 429s, for all who share it.

A 429 stops everybody: for as long as ``Retry-After`` says, else for a back-off of our own. Then one call
goes first, alone; once it has been let in, half of the former number may run, and one more with every
round that goes well (additive increase, multiplicative decrease, as TCP does).
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aivideoapi_core import AIVideoAPIError, OverloadedError, RateLimitError
from aivideoapi_core.adapter_kit import renew_in_child

_FIRST_WAIT_S: Final = 1.0
_LONGEST_OWN_WAIT_S: Final = 60.0
_DOUBLINGS: Final = 10
_JITTER_S: Final = 1.0
"""Those who were stopped set off again over so many seconds, or a tenth of the pause where that is less."""


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


class Pace:
    """A gate for all calls of the jobs that hold it, in this process; see the module.

    ``most``: calls at once, at best; ``None`` leaves that to each job's ``concurrency``. Safe to share
    between threads and event loops.
    """

    def __init__(
        self,
        *,
        most: int | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``chance`` gives numbers in [0, 1) that spread waiters in time."""
        self.clock = clock or SystemClock()
        self.chance = chance
        self._most = most
        self._begin()
        renew_in_child(self, Pace._begin)

    def _begin(self) -> None:
        """At full speed, nobody running, nobody waiting; in a forked child again, for none of its parent's calls end there."""
        self._state: PaceState | None = None if self._most is None else PaceState(self._most)
        self._lock = threading.Lock()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    @classmethod
    def shared(cls, url: str, *, name: str = "default", most: int | None = None) -> Pace:
        """A gate for all workers that give the same Redis (6.2 or later) and ``name``, on any machine.

        ``most``: calls at once of all workers together, at best; ``None``: as many as their jobs' ``concurrency``
        come to. The server's clock decides. A worker that dies is given up after 30 seconds. Needs the extra
        ``redis``; pickles as its URL. Raises ``InvalidInputError``.
        """
        from aivideoapi_batch._pace_redis import SharedPace

        return SharedPace(url, name=name, most=most)

    def begin(self, concurrency: int) -> None:
        """A job with so many calls at once begins; without a ``most`` of its own the pace follows the largest."""
        with self._lock:
            if self._state is None:
                self._state = PaceState(concurrency)
            elif self._most is None and concurrency > self._state.most:
                self._state.limit += concurrency - self._state.most
                self._state.most = concurrency

    async def end(self) -> None:
        """A job that began has ended."""

    @property
    def state(self) -> PaceState:
        """How it stands, for people to look at."""
        return self._state or PaceState(self._most or 1)

    async def enter(self) -> int:
        """Wait until a call may be made; what to leave with."""
        while True:
            with self._lock:
                state = self._state = self._state or PaceState(self._most or 1)
                wait_s = state.ask(self.clock.now(), jitter=self.chance())
                if wait_s == 0:
                    return state.round
                if wait_s is None:
                    loop = asyncio.get_running_loop()
                    turn: asyncio.Future[None] = loop.create_future()
                    self._waiting.append((loop, turn))
            if wait_s is not None:
                await self.clock.sleep(wait_s)
                continue
            try:
                await turn
            except asyncio.CancelledError:
                self._wake()  # a turn that came too late for us is somebody else's
                raise

    async def leave(self, began: int, error: BaseException | None = None) -> None:
        """A call is over, with ``error`` or without."""
        with self._lock:
            state = self.state
            if error is not None and slows_down(error):
                wait_s = error.retry_after_s if isinstance(error, AIVideoAPIError) else None
                state.slowed(self.clock.now(), began=began, wait_s=wait_s)
            else:
                state.passed(began=began, went_well=error is None)
            is_awaited = bool(self._waiting)
        if is_awaited:
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            room = self.state.room
            turns: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
            while self._waiting and len(turns) < room:
                loop, turn = self._waiting.popleft()
                if not loop.is_closed():
                    turns.append((loop, turn))
        for loop, turn in turns:
            loop.call_soon_threadsafe(_go, turn)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._anew, (self._most,)

    @classmethod
    def _anew(cls, most: int | None) -> Pace:
        """In another process a pace in memory is another one."""
        return cls(most=most)


def _go(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
