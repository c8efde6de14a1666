"""The decision on an error, for the row whose call it ended. Pure: no clock, no randomness, no waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from aivideoapi_batch._pace_state import slows_down
from aivideoapi_batch._results import Status
from aivideoapi_batch._rows import BadRowError
from aivideoapi_core import (
    AIVideoAPIError,
    AuthenticationError,
    BudgetExceededError,
    BudgetStoreError,
    CallRecord,
    InsufficientCreditsError,
    ModelNotFoundError,
    Outcome,
    PermissionDeniedError,
    RetryPolicy,
    SpendLimitError,
)
from aivideoapi_core.adapter_kit import may_be_billed

NO_CREDITS: Final = (BudgetExceededError, BudgetStoreError, InsufficientCreditsError, SpendLimitError)
EVERY_ROWS: Final = (*NO_CREDITS, AuthenticationError, PermissionDeniedError, ModelNotFoundError)
"""Errors that every row will meet, or nearly every one."""


LOOK_AGAIN_S: Final = 1.0
"""While others hold reservations, and nobody can say for how long; or the budget's clock is behind ours."""


class Next(Enum):
    """What to do after an error."""

    END = auto()
    """The row has its result."""
    PACED = auto()
    """Call again when the pace lets it in."""
    AGAIN = auto()
    """Call again after ``wait_s``."""
    ROOM = auto()
    """The budget said no: call again when there is room, if the job waits for that."""


@dataclass(frozen=True, slots=True)
class Decision:
    """``status`` is that of the row if this is its end. ``every_rows``: other rows will meet the same."""

    status: Status
    next: Next = Next.END
    wait_s: float = 0.0
    every_rows: bool = False


def decide(
    error: BaseException, records: Sequence[CallRecord], *, failed: int, policy: RetryPolicy, jitter: float
) -> Decision:
    """What to do after ``error``; ``records`` are all calls that the row has made, ``failed`` counts the errors before this that were to pass."""
    if _is_lost(error, records):
        return Decision(Status.LOST)
    if any(record.outcome is Outcome.OK for record in records):
        # Paid for: a row that was answered and cannot be read would be paid for again, and again.
        return Decision(Status.FAILED)
    if isinstance(error, BudgetExceededError):
        return Decision(Status.REFUSED, Next.ROOM)
    if slows_down(error):
        # As often as it takes: the pace waits as the platform asks, and nothing is billed.
        return Decision(Status.FAILED, Next.PACED)
    if isinstance(error, NO_CREDITS):
        return Decision(Status.REFUSED, every_rows=True)
    if isinstance(error, AIVideoAPIError):
        wait_s = policy.delay_s(failed, error, jitter=jitter)
        if wait_s is not None:
            return Decision(Status.FAILED, Next.AGAIN, wait_s)
    return Decision(Status.FAILED, every_rows=isinstance(error, EVERY_ROWS))


def room_in_s(error: BaseException | None, *, now: float) -> float | None:
    """In how many seconds the budget that raised ``error`` may have room; ``None``: not unless its limit is raised.

    ``now``: seconds since the epoch. Room comes when what was spent leaves a window, or when calls of other
    processes end, or the lease of one that died.
    """
    if not isinstance(error, BudgetExceededError) or not error.may_fit_later:
        return None
    if error.room_at is None:
        return LOOK_AGAIN_S
    return max(error.room_at - now, LOOK_AGAIN_S)


def _is_lost(error: BaseException, records: Sequence[CallRecord]) -> bool:
    if records:
        return any(record.outcome is Outcome.LOST for record in records)
    # A call of the user's own, without our clients: only our errors say whether they were billed.
    return isinstance(error, AIVideoAPIError) and may_be_billed(error)


def label(error: BaseException) -> str:
    """Class and code of an error, never its text."""
    code = None
    if isinstance(error, (AIVideoAPIError, BadRowError)):
        code = error.code or getattr(error, "type", None)
    name = "BadRow" if isinstance(error, BadRowError) else type(error).__name__
    return f"{name} {code}" if isinstance(code, str) else name
