"""The asynchronous client's connections, by event loop: a clever corner of its own.

What happens: a connection belongs to the loop in which it was opened, and programs make one loop after the other
(``asyncio.run`` per request, a loop per thread), close them without a word, fork, or drop the client.
What we answer: every loop has its own pools. An open asynchronous generator, which a loop closes when it shuts down,
closes them with it; a client that is dropped has its loop close them.
What breaks without it: "Event loop is closed" on the second ``asyncio.run``, sockets that nobody closes, file
descriptors that are taken away from others (``tests/core/test_client_lifecycle.py``, ``test_fast_paths.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary, finalize, ref

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._http.lanes import Lane, Lanes
from aivideoapi_core._http.pools import AsyncPool

_KEPT: Final[dict[int, AsyncGenerator[None, None]]] = {}
"""Closers whose clients are gone, by the id of their lanes. A generator that is collected is closed in a task of its
own, for which a loop that is about to end does not wait."""
_LANE_ROOM: Final = 16
"""Requests at a time in each pool; see ``lanes``."""


def check_loop() -> None:
    """Raise ``InvalidInputError`` where no event loop of asyncio's runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise InvalidInputError(
            "asynchronous calls need asyncio's event loop (or uvloop's), not trio's or none at all"
        ) from None


class _OwnPools(NamedTuple):
    """The connections of one event loop, what closes them with it, and what does when their owner is dropped.

    ``dropped`` also keeps them alive until they are closed. Were they garbage together with their
    owner, Python would close their sockets first; closing the connections afterwards would then
    take the file descriptors, by number, away from connections that were opened in between.
    """

    lanes: Lanes[AsyncPool]
    closer: AsyncGenerator[None, None]
    dropped: finalize[..., Any]


class LoopPools:
    """Pools by event loop, made by ``make``, which is told the number of the pool in its loop, from 0.

    Loops may run at the same time, in threads.
    """

    def __init__(self, make: Callable[[int], AsyncPool]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._own: WeakKeyDictionary[asyncio.AbstractEventLoop, _OwnPools] = WeakKeyDictionary()

    def __len__(self) -> int:
        """How many loops have connections."""
        return len(self._own)

    def __iter__(self) -> Iterator[AsyncPool]:
        """The pools of the running loop."""
        own = self._own.get(asyncio.get_running_loop())
        return iter(() if own is None else own.lanes)

    async def pick(self) -> Lane[AsyncPool]:
        """The lane of the running loop for the next request."""
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():  # we are a fork: neither the sockets nor the lock can be trusted here
            self._pid, self._lock, self._own = os.getpid(), threading.Lock(), WeakKeyDictionary()
        own = self._own.get(loop)  # nobody but this loop's thread puts it there
        if own is not None:
            return own.lanes.pick()
        with self._lock:
            self._forget_closed_loops()
            lanes = Lanes(self._make, room=_LANE_ROOM)
            closer = _close_with_loop(lanes, ref(self._own))
            dropped = finalize(self, _close_soon, ref(loop), closer, self._pid, id(lanes))
            dropped.atexit = False
            self._own[loop] = _OwnPools(lanes, closer, dropped)
        await anext(closer)
        return lanes.pick()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        own = self._own.pop(asyncio.get_running_loop(), None)
        if own is not None:
            own.dropped.detach()
            await own.closer.aclose()

    def _forget_closed_loops(self) -> None:
        """Loops that ended without closing their generators; their sockets are gone."""
        # Not over the dictionary itself: other threads' loops come and go without asking for the lock.
        for known in self._own.keyrefs():
            loop = known()
            if loop is not None and loop.is_closed():
                own = self._own.pop(loop, None)
                if own is not None:
                    own.dropped.detach()


def _close_soon(
    loop: ref[asyncio.AbstractEventLoop], closer: AsyncGenerator[None, None], pid: int, lanes: int
) -> None:
    """Have ``loop`` run ``closer`` to its end, from whichever thread; a fork must not touch its parent's.

    Called by finalizers: it takes no lock.
    """
    running = loop()
    if running is not None and not running.is_closed() and os.getpid() == pid:
        _KEPT[lanes] = closer
        try:
            running.call_soon_threadsafe(_close_now, running, closer)
        except RuntimeError:  # it has ended in the meantime
            _KEPT.pop(lanes, None)


def _close_now(loop: asyncio.AbstractEventLoop, closer: AsyncGenerator[None, None]) -> None:
    task = loop.create_task(_closed(closer))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _closed(closer: AsyncGenerator[None, None]) -> None:
    # A loop that is about to end cancels this task, then closes its generators and waits for them: it goes first.
    await asyncio.sleep(0)
    with contextlib.suppress(RuntimeError):  # it is at it
        await closer.aclose()


async def _close_with_loop(
    lanes: Lanes[AsyncPool], clients: ref[WeakKeyDictionary[asyncio.AbstractEventLoop, _OwnPools]]
) -> AsyncGenerator[None, None]:
    """An open generator that closes the clients of ``lanes`` when its event loop shuts down."""
    try:
        yield
    finally:
        known = clients()
        # The entry refers to its own key, so the loop would never be collected.
        own = None if known is None else known.pop(asyncio.get_running_loop(), None)
        if own is not None:
            own.dropped.detach()
        _KEPT.pop(id(lanes), None)
        for pool in lanes:
            await pool.aclose()
