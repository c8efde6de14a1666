"""Work that finalizers leave undone, because a finalizer may take no lock.

Python's collector runs finalizers wherever it happens to start: also in a thread that is inside a
lock of a budget, of a store or of httpcore's pool at that moment. A finalizer that takes the same
lock waits for good. So finalizers only put down what is to be done; the next call, the thread that
keeps a budget's lease, or whoever asks for sums does it.
Without this ``tests/credits/test_dropped.py`` hangs.
"""

from __future__ import annotations

import atexit
import gc
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from aivideoapi_core._metering.forks import renew_in_child

logger = logging.getLogger("aivideoapi")

Job: TypeAlias = Callable[[], object]
"""Something to be done once; may take locks and do I/O."""


class Dropped:
    """Jobs put down by finalizers, and whether the collector runs in this thread just now."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()  # its append and popleft take no lock
        self._at_it: set[int] = set()
        self._collecting: int | None = None
        self._watches = False

    def __bool__(self) -> bool:
        """Whether something is to be done."""
        return bool(self._jobs)

    def watch(self, at_end: Job) -> None:
        """Learn from now on when the collector runs, and do what is left when the program ends, then ``at_end``."""
        if not self._watches:
            self._watches = True
            gc.callbacks.append(self._collector_told)
            atexit.register(at_end)
            atexit.register(self.do)  # called before it: the last one first
            renew_in_child(self, Dropped._begin_in_child)

    def _begin_in_child(self) -> None:
        """What was put down is the parent's to do."""
        self._jobs.clear()
        self._at_it.clear()
        self._collecting = None

    @property
    def in_collector(self) -> bool:
        """Whether the code that asks runs inside the collector, so that no lock may be taken."""
        return self._collecting is not None and self._collecting == threading.get_ident()

    def put(self, job: Job) -> None:
        """Leave ``job`` to be done. Takes no lock."""
        self._jobs.append(job)

    def do(self) -> None:
        """Do what was left. An error of one job is logged and stops no other."""
        if not self._jobs or self.in_collector:
            return
        me = threading.get_ident()
        if me in self._at_it:  # a job that makes a call, or asks for sums
            return
        self._at_it.add(me)
        try:
            self._do_all()
        finally:
            self._at_it.discard(me)

    def _do_all(self) -> None:
        while self._jobs:
            try:
                job = self._jobs.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                job()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not the next call's
                logger.warning("what a dropped call left was not done (%s)", type(error).__name__)
            except BaseException:
                self._jobs.appendleft(job)
                raise

    def _collector_told(self, phase: str, info: Mapping[str, int]) -> None:
        self._collecting = threading.get_ident() if phase == "start" else None


DROPPED: Final = Dropped()
"""One for the process: a finalizer cannot know who will make the next call."""
