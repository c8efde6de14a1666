"""Work that is done to its end although the task that waits for it is cancelled, once or again and again.

anyio's scopes (FastAPI's, when a browser goes away) cancel at every await until the task has left them, and
LangGraph cancels its inner tasks a second time while they clean up. ``asyncio.shield`` around one await lets the
work go on, and leaves nobody who waits for it. So the work belongs to a thread, or to a task that nobody else has.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # whoever runs an event loop has loaded it, and synchronous programs do without
    import asyncio

PATIENCE_S: Final = 5.0
"""How long a cancelled task waits for such work; then the work goes on alone."""

_TASKS: Final[set[asyncio.Future[Any]]] = set()
"""Event loops refer weakly to their tasks: these must not be collected."""


async def in_thread(work: Callable[[], object]) -> None:
    """Run ``work`` in a thread and wait for it. What it raises is not told: it has to see to that itself."""
    import asyncio

    loop = asyncio.get_running_loop()
    run = functools.partial(contextvars.copy_context().run, work)
    try:
        done = loop.run_in_executor(None, run)
    except RuntimeError:  # the loop's threads have ended: it is about to
        work()
        return
    await _finished(done)


async def in_own_task(work: Coroutine[Any, Any, object]) -> None:
    """Run ``work`` in a task of its own and wait for it. What it raises is not told."""
    import asyncio

    task = asyncio.get_running_loop().create_task(work)
    await _finished(task)


async def _finished(work: asyncio.Future[Any]) -> None:
    """Wait for ``work``. A cancellation is passed on when it is done, a second one at once."""
    import asyncio

    _TASKS.add(work)
    work.add_done_callback(_forget)
    try:
        await asyncio.wait({work})
    except asyncio.CancelledError:
        await _shielded(work)
        raise


async def _shielded(work: asyncio.Future[Any]) -> None:
    import asyncio

    from anyio import CancelScope  # httpcore's own, there by now

    with CancelScope(shield=True):  # else anyio would cancel the wait again and again
        await asyncio.wait({work}, timeout=PATIENCE_S)


def _forget(work: asyncio.Future[Any]) -> None:
    _TASKS.discard(work)
    if not work.cancelled():
        work.exception()  # so that nobody logs that it was never looked at
