"""Thresholds of a budget: who is told, once in a window, that a share of the limit is spent, without making a call wait."""

from __future__ import annotations

import atexit
import inspect
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from weakref import WeakSet

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._stores.budget_refusals import in_credits
from aivideoapi_core._stores.budget_terms import Standing

logger = logging.getLogger("aivideoapi")

USUAL_SHARES: Final = (0.8, 0.95)
"""The thresholds of a handler that is given without any."""
_LAST_S: Final = 5.0
"""How long the end of a process waits, in all, for handlers that still run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdPassed:
    """A share of a budget's limit that is spent now. Amounts are microcredits.

    ``window_end``: when the window of the calendar is over, in UTC; ``None`` for other windows.
    """

    budget: str
    share: float
    spent_micro: int
    limit_micro: int
    window_end: datetime | None = None

    def __str__(self) -> str:
        until = "" if self.window_end is None else f", until {self.window_end:%Y-%m-%d %H:%M:%S} UTC"
        return (
            f"budget {self.budget!r} has passed {self.share * 100:g} %: {in_credits(self.spent_micro)} of "
            f"{in_credits(self.limit_micro)} credits are spent{until}"
        )


ThresholdHandler = Callable[[ThresholdPassed], object]
OnThreshold = Sequence[float] | ThresholdHandler | Mapping[float, ThresholdHandler] | None


def handlers_of(on_threshold: OnThreshold) -> dict[float, ThresholdHandler]:
    """By share of the limit, who is told. Raises ``InvalidInputError``."""
    if on_threshold is None:
        return {}
    if isinstance(on_threshold, Mapping):
        handlers = dict(on_threshold)
    elif callable(on_threshold):
        handlers = dict.fromkeys(USUAL_SHARES, on_threshold)
    elif isinstance(on_threshold, (list, tuple)):
        handlers = dict.fromkeys(on_threshold, log)
    else:
        raise _not_thresholds(on_threshold)
    for share, handler in handlers.items():
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise _not_thresholds(on_threshold)
        if not callable(handler):
            raise _not_thresholds(on_threshold)
        if inspect.iscoroutinefunction(handler):
            raise InvalidInputError(
                "a handler of on_threshold runs in a thread of its own, without an event loop: give a plain function"
            )
    return {float(share): handlers[share] for share in sorted(handlers)}


def log(passed: ThresholdPassed) -> None:
    """Log a warning; the handler of thresholds that were given alone."""
    logger.warning("%s", passed)


def tell(name: str, handlers: Mapping[float, ThresholdHandler], standing: Standing) -> None:
    """Call the handlers of what was ``passed``, in one thread that nobody waits for. Never raises."""
    events = [
        (
            handlers[share],
            ThresholdPassed(
                budget=name,
                share=share,
                spent_micro=standing.spent_micro,
                limit_micro=standing.limit_micro,
                window_end=standing.window_end,
            ),
        )
        for share in standing.passed
        if share in handlers
    ]
    logged = [event for handler, event in events if handler is log]
    for event in logged:
        log(event)
    if len(logged) == len(events):
        return
    others = [(handler, event) for handler, event in events if handler is not log]
    thread = threading.Thread(
        target=_call_all, args=(others,), name="aivideoapi-budget-threshold", daemon=True
    )
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending, and starts no threads
        _call_all(others)
    else:
        _running.add(thread)


def _call_all(events: Sequence[tuple[ThresholdHandler, ThresholdPassed]]) -> None:
    for handler, event in events:
        try:
            handler(event)
        except Exception:
            logger.exception("a handler of on_threshold failed; %s", event)


def _not_thresholds(given: object) -> InvalidInputError:
    return InvalidInputError(
        "on_threshold must be shares of the limit, more than 0 and at most 1, which are logged: (0.8, 0.95); a function, "
        f"which is called at these two; or functions by share: {{0.8: warn, 1.0: page}}; not {given!r}"
    )


_running: Final[WeakSet[threading.Thread]] = WeakSet()


@atexit.register
def _wait_for_handlers() -> None:
    until = time.monotonic() + _LAST_S
    for thread in list(_running):
        thread.join(max(0.0, until - time.monotonic()))
