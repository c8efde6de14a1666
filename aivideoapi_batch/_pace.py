"""``Pace``: how many calls may run at once, learnt from the platform's 429s, for all who share it."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any, Final, Self

from aivideoapi_batch._pace_local import LocalPace
from aivideoapi_batch._pace_redis import SharedPace
from aivideoapi_batch._pace_state import Clock, PaceState
from aivideoapi_core.adapter_kit import with_known_arguments

_ADVICE: Final = dict.fromkeys(("name", "redis", "store", "url"), "use Pace.shared('redis://...', name=...)")


class Pace:
    """A gate for all calls of the jobs that hold it, in this process; ``Pace.shared`` makes one for many.

    ``most``: calls at once, at best; ``None`` leaves that to each job's ``concurrency``. Safe to share
    between threads and event loops.
    """

    @functools.partial(with_known_arguments, advice=_ADVICE)
    def __init__(
        self,
        *,
        most: int | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``chance`` gives numbers in [0, 1) that spread waiters in time."""
        self._most = most
        self._kept: LocalPace | SharedPace = LocalPace(most=most, clock=clock, chance=chance)

    @classmethod
    def shared(cls, url: str, *, name: str = "default", most: int | None = None) -> Self:
        """A gate for all workers that give the same Redis (6.2 or later) and ``name``, on any machine.

        ``most``: calls at once of all workers together, at best; ``None``: as many as their jobs' ``concurrency``
        come to. The server's clock decides. A worker that dies is given up after 30 seconds. Needs the extra
        ``redis``; pickles as its URL. Raises ``InvalidInputError``.
        """
        return cls._around(SharedPace(url, name=name, most=most))

    @classmethod
    def _around(cls, kept: SharedPace) -> Self:
        pace = cls(most=kept.most)
        pace._kept = kept
        return pace

    @property
    def clock(self) -> Clock:
        """By which it waits."""
        return self._kept.clock

    @property
    def chance(self) -> Callable[[], float]:
        """Numbers in [0, 1) that spread waiters in time."""
        return self._kept.chance

    @property
    def state(self) -> PaceState:
        """How it stands, for people to look at."""
        return self._kept.state

    def begin(self, concurrency: int) -> None:
        """A job with so many calls at once begins; without a ``most`` of its own the pace follows the largest."""
        self._kept.begin(concurrency)

    async def end(self) -> None:
        """A job that began has ended."""
        await self._kept.end()

    async def enter(self) -> int:
        """Wait until a call may be made; what to leave with. Raises ``PaceError`` where its Redis cannot be asked."""
        return await self._kept.enter()

    async def leave(self, began: int, error: BaseException | None = None) -> None:
        """A call is over, with ``error`` or without."""
        await self._kept.leave(began, error)

    def __repr__(self) -> str:
        return repr(self._kept) if isinstance(self._kept, SharedPace) else super().__repr__()

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process a pace in memory is another one, and a shared one the same."""
        if isinstance(self._kept, SharedPace):
            return type(self)._around, (self._kept,)
        return type(self)._anew, (self._most,)

    @classmethod
    def _anew(cls, most: int | None) -> Self:
        return cls(most=most)
