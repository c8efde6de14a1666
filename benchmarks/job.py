"""One thing to measure: prepared outside of the clock, run inside of it, checked after it."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """``run`` does the work once, or returns a coroutine that does; ``check`` raises if its result is wrong.

    ``prepare`` comes before each run, outside of the clock. With ``clocks_itself`` the result is a pair: CPU seconds and what to check. Then ``run`` decides
    which part of its work counts.
    """

    run: Callable[[], Any]
    check: Callable[[Any], None]
    prepare: Callable[[], None] = lambda: None
    is_async: bool = False
    clocks_itself: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds for one run: of the processor, all threads of this process, and on the wall."""

    cpu_s: float
    wall_s: float


def measure(job: Job, loop: asyncio.AbstractEventLoop, repeats: int) -> Sample:
    """Run ``job`` ``repeats`` times after a garbage collection; the mean of one run. Every result is checked.

    On a bare ``loop``: ``asyncio.Runner`` installs a signal handler around each run, and the standard
    library then formats the run's whole result for an error text that nobody sees.
    """
    cpu_s = wall_s = 0.0
    for _ in range(repeats):
        job.prepare()
        gc.collect()
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        result = loop.run_until_complete(job.run()) if job.is_async else job.run()
        cpu_end, wall_end = time.process_time(), time.perf_counter()
        own_s = cpu_end - cpu_start
        if job.clocks_itself:
            own_s, result = result
        cpu_s += own_s
        wall_s += wall_end - wall_start
        job.check(result)
    return Sample(cpu_s / repeats, wall_s / repeats)
