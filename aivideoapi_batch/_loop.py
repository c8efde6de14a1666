"""An event loop in a thread of its own, which lives as long as its process: connections outlive a batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class LoopThread:
    """Runs coroutines for callers that have no event loop, one loop for all of them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="aivideoapi-batch", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What ``work`` returns; cancels it if the caller is interrupted."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
