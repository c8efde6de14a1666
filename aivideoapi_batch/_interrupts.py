"""Which of the errors that a row's call raised are meant for more than that row."""

from __future__ import annotations

import asyncio
import signal


def ends_the_run(error: BaseException) -> bool:
    """Whether ``error`` is meant for the process, or for this worker. A row's code may raise ``CancelledError`` and
    ``SystemExit`` by itself: they are that row's, or a run that goes on would end at the same row again.
    """
    if isinstance(error, asyncio.CancelledError):
        worker = asyncio.current_task()
        return worker is not None and worker.cancelling() > 0
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
