"""What every family of contestants shares: the names of the measured jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from benchmarks.job import Job

STREAMS_AT_ONCE: Final = 200
STREAM_DELTAS: Final = 100
"""Deltas of each of the streams at once."""
THREADS: Final = 64
CALLS_PER_THREAD: Final = 2
CALLS_PER_RUN: Final = 10
"""Calls that one run of a call metric makes, so that the clock's own grain does not matter."""


class Jobs(Protocol):
    """A family of contestants."""

    def job(self, metric: str, size: int) -> Job:
        """The job of that name for this contestant. Raises ``LookupError`` if it does not take part."""
        ...


def in_threads(call: Callable[[], Any], check: Callable[[Any], None]) -> Job:
    """``call`` from many threads at once."""
    pool = ThreadPoolExecutor(THREADS)
    count = THREADS * CALLS_PER_THREAD

    def run() -> list[Any]:
        return [future.result() for future in [pool.submit(call) for _ in range(count)]]

    return Job(run=run, check=_check_all(check))


def many_calls(call: Callable[[], Any], check: Callable[[Any], None]) -> Job:
    """``call`` again and again, one after the other."""
    return Job(run=lambda: [call() for _ in range(CALLS_PER_RUN)], check=_check_all(check))


def many_async_calls(call: Callable[[], Coroutine[Any, Any, Any]], check: Callable[[Any], None]) -> Job:
    """The asynchronous twin of ``many_calls``."""

    async def run() -> list[Any]:
        return [await call() for _ in range(CALLS_PER_RUN)]

    return Job(run=run, check=_check_all(check), is_async=True)


def at_once(open_stream: Callable[[], Coroutine[Any, Any, Any]], check: Callable[[Any], None]) -> Job:
    """Many asynchronous streams at the same time."""

    async def run() -> list[Any]:
        return await asyncio.gather(*(open_stream() for _ in range(STREAMS_AT_ONCE)))

    return Job(run=run, check=_check_all(check), is_async=True)


def _check_all(check: Callable[[Any], None]) -> Callable[[list[Any]], None]:
    def check_all(results: list[Any]) -> None:
        assert results
        for result in results:
            check(result)

    return check_all
