"""The choice among several connection pools for the next request. Does no I/O.

httpx looks at every connection of a pool, and asks the kernel about every idle one, at the start and
at the end of each request: the cost of a burst grows with its square. Several small pools keep it
linear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, Self, TypeVar
from weakref import ref

_P = TypeVar("_P")


class Closable(Protocol):
    """What a lane must know of a response."""

    @property
    def is_closed(self) -> bool:
        """Whether the response has given its connection back."""
        ...


class Lane(Generic[_P]):
    """One pool, and how many requests it is serving. A context manager around the sending of one."""

    def __init__(self, pool: _P) -> None:
        self.pool = pool
        self._sending = 0
        self._open: list[ref[Closable]] = []

    @property
    def load(self) -> int:
        """Requests being sent and responses that are still open. One that was dropped counts no more."""
        self._open = [known for known in self._open if (it := known()) is not None and not it.is_closed]
        return self._sending + len(self._open)

    def __enter__(self) -> Self:
        self._sending += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._sending -= 1

    def serves(self, response: Closable) -> None:
        """Count ``response`` until it is closed."""
        self._open.append(ref(response))


class Lanes(Generic[_P]):
    """Pools made by ``make``, as many as the load needs; ``room`` requests at a time for each.

    The first with room is taken, so that one request after the other always finds the same warm
    connection. ``make`` is told the number of the pool, from 0.
    """

    def __init__(self, make: Callable[[int], _P], *, room: int) -> None:
        self._make = make
        self._room = room
        self._lanes: list[Lane[_P]] = []

    def __iter__(self) -> Iterator[_P]:
        return (lane.pool for lane in self._lanes)

    def pick(self) -> Lane[_P]:
        """The lane for the next request."""
        for lane in self._lanes:
            if lane.load < self._room:
                return lane
        self._lanes.append(Lane(self._make(len(self._lanes))))
        return self._lanes[-1]
