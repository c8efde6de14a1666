"""``LocalPace``: a pace in the memory of one process."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import deque
from collections.abc import Callable

from aivideoapi_batch._pace_state import Clock, PaceState, SystemClock, check_most, slows_down
from aivideoapi_core import AIVideoAPIError
from aivideoapi_core.adapter_kit import renew_in_child


class LocalPace:
    """What a ``Pace`` is made of in one process. Safe to share between threads and event loops."""

    def __init__(
        self,
        *,
        most: int | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``chance`` gives numbers in [0, 1) that spread waiters in time."""
        check_most(most)
        self.clock = clock or SystemClock()
        self.chance = chance
        self._most = most
        self._begin()
        renew_in_child(self, LocalPace._begin)

    def _begin(self) -> None:
        """At full speed, nobody running, nobody waiting; in a forked child again, for none of its parent's calls end there."""
        self._state: PaceState | None = None if self._most is None else PaceState(self._most)
        self._lock = threading.Lock()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

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


def _go(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
