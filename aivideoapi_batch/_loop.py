"""An event loop in a thread of its own: for callers that have none, or must not wait in theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class LoopThread:
    """Runs coroutines, one loop for all of them, until it is closed or its process ends: connections outlive a batch."""

    def __init__(self) -> None:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def live() -> None:
            closed = asyncio.Event()
            started.set_result((asyncio.get_running_loop(), closed))
            await closed.wait()

        self._thread = threading.Thread(
            target=lambda: asyncio.run(live()), name="aivideoapi-batch", daemon=True
        )
        self._thread.start()
        self._loop, self._closed = started.result()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What ``work`` returns; cancels it if the caller is interrupted."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Wait for what was cancelled to put away its things, and end the thread."""
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join()
