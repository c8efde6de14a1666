"""Interrupts among the errors that a row's call raised: those that are meant for more than that row."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Any


class Worker(asyncio.Task[None]):
    """A task in which rows are called one after another; it knows when a row's code cancels the task that it runs in."""

    _own = 0
    """Cancellations that came from inside."""

    def cancel(self, msg: Any | None = None) -> bool:
        """As of any task."""
        if asyncio.current_task(self.get_loop()) is self:
            self._own += 1
        return super().cancel(msg)

    @property
    def is_cancelled_from_outside(self) -> bool:
        """Whether somebody else wants it to end."""
        return self.cancelling() > self._own

    @property
    def is_upset(self) -> bool:
        """Whether the row's code has asked for anything that ``calm_down`` takes back."""
        return self._own > 0

    async def calm_down(self) -> None:
        """Take back what the row's code has asked for, before the next row meets it."""
        own, self._own = self._own, 0
        with contextlib.suppress(asyncio.CancelledError):  # what was asked for comes with the next wait
            await asyncio.sleep(0)
        for _ in range(own):
            self.uncancel()
        if self.cancelling():
            raise asyncio.CancelledError


def current_worker() -> Worker:
    """The one that calls this."""
    worker = asyncio.current_task()
    assert isinstance(worker, Worker)  # noqa: S101 - rows are called by no other tasks
    return worker


def ends_the_run(error: BaseException) -> bool:
    """Whether ``error`` is meant for the process, or for this worker. A row's code may raise ``CancelledError`` and
    ``SystemExit`` by itself: they are that row's, or a run that goes on would end at the same row again.
    """
    if isinstance(error, asyncio.CancelledError):
        return current_worker().is_cancelled_from_outside
    return isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemExit) and _by_a_signal(error))


def _by_a_signal(error: BaseException) -> bool:
    """Whether the handler of a signal raised it, for which the interpreter interrupts whatever runs, a row's code too."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = [getattr(handler, "__code__", None) for handler in handlers]
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False
