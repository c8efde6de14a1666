"""The line of calls that wait for room in a budget: first come, first served, and only the first one asks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, NamedTuple, Self

from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._stores.budget_terms import Standing, Turn

FIRST_PAUSE_S: Final = 0.005
LONGEST_PAUSE_S: Final = 0.25
"""The first in line asks a shared store again after such pauses, each longer than the one before: nobody
tells one process that another has given something back. Well below ``PLACE_S``, for which a store keeps places."""
_LOOK_UP_S: Final = 5.0
"""How long the others sleep at most, in case the first one vanished with its event loop."""


class Patience(NamedTuple):
    """How long to wait for room, in seconds, and whether to pass those who stand in line if there is some at once.

    ``is_last``: nobody asks again afterwards, so that a call may have to do with less than it asked for.
    """

    wait_s: float
    passes_line: bool = True
    is_last: bool = True


class Bell:
    """Wakes one caller, from any thread. A thread waits with ``wait``, a task with ``awaited``."""

    __slots__ = ("_async_event", "_event", "_loop")

    def __init__(self) -> None:
        self._event: threading.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._async_event: asyncio.Event | None = None

    def wait(self, timeout_s: float) -> None:
        """Until rung, or ``timeout_s`` are over."""
        if self._event is None:
            self._event = threading.Event()
            return  # whatever rang before there was a bell is found out by asking
        self._event.wait(timeout_s)
        self._event.clear()

    async def awaited(self, timeout_s: float) -> None:
        """The asynchronous twin of ``wait``."""
        if self._async_event is None:
            self._loop, self._async_event = asyncio.get_running_loop(), asyncio.Event()
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._async_event.wait()
        except TimeoutError:
            pass
        self._async_event.clear()

    def ring(self) -> None:
        """Wake the caller. Raises ``RuntimeError`` if its event loop is closed."""
        if self._event is not None:
            self._event.set()
        elif self._loop is not None and self._async_event is not None:
            self._loop.call_soon_threadsafe(self._async_event.set)


class Asking:
    """One call that asks for a reservation: when to ask the store, and how long to sleep in between.

    Waits as long as ``patience`` says (0: not at all), and only where nothing but reservations stands in the way.
    A context manager; ``abandon`` is called when it is left with an error, though the store may have
    reserved something, or keep a place in its line.
    """

    __slots__ = (
        "_abandon", "_in_line", "_is_known", "_is_last_try", "_line", "_patience", "_pause_s", "_shared", "_until",
        "bell", "is_over", "standing",
    )  # fmt: skip

    def __init__(
        self, line: WaitLine, *, patience: Patience, shared: bool, abandon: Callable[[BaseException], None]
    ) -> None:
        self.bell = Bell()
        self.standing: Standing | None = None
        self.is_over = False
        self._line = line
        self._shared = shared
        self._abandon = abandon
        self._in_line = False
        self._is_known = False
        self._is_last_try = False
        self._patience = patience
        self._until = time.monotonic() + patience.wait_s
        self._pause_s = FIRST_PAUSE_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._is_known:
            self._abandon(error)
        if self._in_line:
            self._in_line = False
            self._line.leave(self)

    @property
    def is_last(self) -> bool:
        """Whether the store is asked no more for what has no room now."""
        return self._is_last_try and self._patience.is_last

    @property
    def until(self) -> float:
        """When it gives up, by ``time.monotonic``."""
        return self._until

    def turn(self) -> Turn | None:
        """How to ask the store now; ``None``: it is not this call's turn."""
        if self._patience.wait_s <= 0:
            self._is_last_try = True
            return "at once" if self._patience.passes_line else "behind"
        if time.monotonic() >= self._until:
            self._is_last_try = True
            return "behind"  # to wait gives no right to pass those who came before
        if self._in_line:
            return "in line" if self._line.is_first(self) else None
        return "behind" if self._line.is_empty else None

    def hear(self, standing: Standing, turn: Turn) -> None:
        """Take the store's answer."""
        self.standing = standing
        self._is_known = standing.granted or (standing.waits and (self._is_known or turn == "in line"))
        self.is_over = standing.granted or not standing.waits or self._is_last_try

    def pause_s(self) -> float:
        """How long to sleep now, in seconds; the bell may ring before."""
        if not self._in_line:
            self._in_line = True
            self._line.join(self)
            return 0.0
        left_s = max(0.0, self._until - time.monotonic())
        if not self._line.is_first(self):
            return min(left_s, _LOOK_UP_S)
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 1.5, LONGEST_PAUSE_S)
        return min(left_s, pause_s if self._shared else _LOOK_UP_S)


class WaitLine:
    """Calls of this process that wait for one budget."""

    def __init__(self) -> None:
        # A task that is collected with its event loop steps out in a finalizer, wherever that runs.
        self._lock = threading.RLock()
        self._line: deque[Asking] = deque()
        renew_in_child(self, WaitLine._begin_in_child)

    def _begin_in_child(self) -> None:
        self._lock, self._line = threading.RLock(), deque()

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._line

    def is_free_for(self, patience: Patience | None) -> bool:
        """Whether a call may ask without standing in line: nobody does, and it has no ``patience`` of its own."""
        return patience is None and self.is_empty

    def is_first(self, asking: Asking) -> bool:
        """Whether it is ``asking``'s turn."""
        line = self._line
        if not line or line[0] is asking:
            return True
        with self._lock:
            # Nobody gives up late but those whose event loop no longer runs.
            while line and line[0] is not asking and line[0].until + _LOOK_UP_S < time.monotonic():
                line.popleft()
            return not line or line[0] is asking

    def join(self, asking: Asking) -> None:
        """Stand at the end."""
        with self._lock:
            self._line.append(asking)

    def leave(self, asking: Asking) -> None:
        """Step out; the next one is woken."""
        with self._lock:
            if asking in self._line:
                self._line.remove(asking)
        self.wake_first()

    def wake_first(self) -> None:
        """Something was given back: the first in line may ask again."""
        while self._line:
            try:
                first = self._line[0]
            except IndexError:
                return
            try:
                first.bell.ring()
            except RuntimeError:
                with self._lock:
                    if first in self._line:
                        self._line.remove(first)
            else:
                return
