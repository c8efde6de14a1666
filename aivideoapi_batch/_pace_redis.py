"""``SharedPace``: a pace in Redis. Each event loop with a job is one worker, with one task that talks to the store.

That task tells what has ended, asks for all who wait, and lets in as many as were granted: one script for all that has
come together meanwhile. A worker says how many of its calls run, so that nothing is counted twice; one that says
nothing for the length of a lease holds nothing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from aivideoapi_batch._pace_state import Clock, PaceState, SystemClock, check_most, slows_down
from aivideoapi_batch._redis import RedisLink, checked_name, checked_url, link_to
from aivideoapi_core import AIVideoAPIError

_LEASE_S: Final = 30.0
_BEATS: Final = 3
"""Signs of life in a lease."""
_LOOK_AGAIN_S: Final = 0.1
"""Where everything that may run runs: what other workers' calls leave is not told to us, so we look."""


_TELL_WITHIN_S: Final = 0.005
"""That a call has ended is told so late at most: those who wait elsewhere look again after twenty times that."""


class PaceError(AIVideoAPIError):
    """The store of a shared pace cannot be reached. The job stops: it would call as fast as it can."""


class SharedPace:
    """See ``Pace.shared``."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        most: int | None = None,
        lease_s: float = _LEASE_S,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``clock`` of a test replaces the server's; ``chance`` gives numbers in [0, 1)."""
        check_most(most)
        self.most = most
        self.clock = clock or SystemClock()
        self.chance = chance
        self.state = PaceState(most or 1)
        self._url = checked_url(url, argument="Pace.shared(url)")
        self._name = checked_name(name, argument="name")
        self._lease_s = lease_s
        self._test_clock = clock
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gate] = WeakKeyDictionary()

    def begin(self, concurrency: int) -> None:
        """A job with so many calls at once begins in the running event loop."""
        gate = self._gate()
        gate.jobs += 1
        gate.concurrency = max(gate.concurrency, concurrency)

    async def end(self) -> None:
        """It is over: the last one of an event loop says good-bye."""
        loop = asyncio.get_running_loop()
        gate = self._gate()
        gate.jobs -= 1
        if gate.jobs <= 0:
            del self._gates[loop]
            await gate.close()

    async def enter(self) -> int:
        """Wait until a call may be made; what to leave with. Raises ``PaceError``."""
        return await self._gate().enter()

    async def leave(self, began: int, error: BaseException | None = None) -> None:
        """A call is over, with ``error`` or without. Raises nothing: the call's result is worth more."""
        how = "well" if error is None else "over"
        if error is not None and slows_down(error):
            wait_s = error.retry_after_s if isinstance(error, AIVideoAPIError) else None
            how = "slow" if wait_s is None else f"slow {wait_s:.6f}"
        self._gate().leave(began, how)

    def _gate(self) -> _Gate:
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None:
            gate = self._gates[loop] = _Gate(self)
        return gate

    def arguments(self, worker: str, *facts: Any) -> list[Any]:
        """Key and arguments of a move."""
        now = "" if self._test_clock is None else f"{self._test_clock.now():.6f}"
        most = "" if self.most is None else self.most
        return [f"aivideoapi:pace:{{{self._name}}}", now, worker, self._lease_s, most, *facts]

    def told(self, limit: float, most: float, running: int, round_: int) -> None:
        """How it stood at our last move."""
        state = PaceState(most)
        state.limit, state.running, state.round = limit, running, round_
        self.state = state

    def link(self) -> RedisLink:
        """To the store, from the running event loop."""
        return link_to(self._url)

    @property
    def beat_s(self) -> float:
        """How often a worker shows that it lives."""
        return self._lease_s / _BEATS

    def __repr__(self) -> str:
        return f"Pace.shared(name={self._name!r})"  # a URL may have a password in it

    def __reduce__(self) -> tuple[Any, ...]:
        return _shared, (self._url, self._name, self.most, self._lease_s)


class _Gate:
    """One worker: who waits in this event loop, and what the store is to be told."""

    def __init__(self, pace: SharedPace) -> None:
        self.jobs = 0
        self.concurrency = 1
        self._pace = pace
        self._link = pace.link()
        self._worker = secrets.token_hex(8)
        self._running = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._over: list[Any] = []
        self._news = asyncio.Event()
        self._talk: asyncio.Task[None] | None = None
        self._told_soon: asyncio.TimerHandle | None = None

    async def enter(self) -> int:
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._tell()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(turn.result(), "over")  # a turn that came too late for us is somebody else's
            raise

    def leave(self, began: int, how: str) -> None:
        self._running -= 1
        self._over += [began, how]
        if how.startswith("slow"):
            self._tell()
        elif self._told_soon is None:  # who leaves mostly comes again, and one move tells both
            self._told_soon = asyncio.get_running_loop().call_later(_TELL_WITHIN_S, self._tell)

    async def close(self) -> None:
        """Say what is left to say, and good-bye."""
        from redis import RedisError

        if self._told_soon is not None:
            self._told_soon.cancel()
        if self._talk is not None:
            self._talk.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._talk
        with contextlib.suppress(RedisError, OSError):  # who is not heard any more is given up after a lease
            await self._move(stays=False)
            await self._link.close()

    def _tell(self) -> None:
        if self._told_soon is not None:
            self._told_soon.cancel()
            self._told_soon = None
        self._news.set()
        if self._talk is None or self._talk.done():
            self._talk = asyncio.create_task(self._talking())

    async def _talking(self) -> None:
        from redis import RedisError

        while True:
            self._news.clear()
            try:
                wait_s = await self._move(stays=True)
            except (RedisError, OSError) as error:
                self._refuse(error)
                wait_s = None
            if wait_s is not None:
                await self._until_news(self._pace.clock.sleep(wait_s))
            else:
                chance = 0.5 + self._pace.chance()
                pause_s = _LOOK_AGAIN_S * chance if self._waiting else self._pace.beat_s
                timer = asyncio.get_running_loop().call_later(pause_s, self._news.set)
                try:
                    await self._news.wait()
                finally:
                    timer.cancel()

    async def _move(self, *, stays: bool) -> float | None:
        """Tell and ask; let in who may go. Seconds until it is worth asking again, if that is known."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        over, self._over = self._over, []
        facts = (self.concurrency, self._running, len(self._waiting) if stays else 0, int(stays), *over)
        answer = await self._link.run("pace.lua", *self._pace.arguments(self._worker, *facts))
        granted, wait, spread, round_, limit, most, running = answer
        self._pace.told(float(limit), float(most), running, round_)
        for _ in range(granted):
            while self._waiting and self._waiting[0].done():
                self._waiting.popleft()
            if not self._waiting:
                break  # nobody wants it any more: the next move says how many run
            self._running += 1
            self._waiting.popleft().set_result(round_)
        return float(wait) + self._pace.chance() * float(spread) if wait else None

    def _refuse(self, error: Exception) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(PaceError(f"the pace's Redis cannot be asked ({type(error).__name__})"))

    async def _until_news(self, pause: Any) -> None:
        """Wait for the end of ``pause``, by a clock that may be a test's, or for news."""
        ends = [asyncio.ensure_future(pause), asyncio.create_task(self._news.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()


def _shared(url: str, name: str, most: int | None, lease_s: float) -> SharedPace:
    return SharedPace(url, name=name, most=most, lease_s=lease_s)
