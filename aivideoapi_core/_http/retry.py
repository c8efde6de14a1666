"""The retry policy: when to try again. Pure: no clock, no randomness, no sleeping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from aivideoapi_core._constructor_errors import with_known_fields
from aivideoapi_core._errors import AIVideoAPIError, InvalidInputError

_DOUBLINGS: Final = 60
"""Enough to reach any ceiling, and no float overflows."""

_WAITS: Final = frozenset({"retry-after-ms", "retry-after"})


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently a failed call is made again.

    ``max_retries`` counts the tries after the first. Our own waits double from ``first_wait_s`` up
    to ``longest_own_wait_s`` (both are the official client's numbers). A server that asks for more
    than ``longest_wait_s`` is not waited for: the error is raised at once. With
    ``retry_read_timeouts`` a call that got no answer in time is made again although it may be billed
    twice.
    """

    max_retries: int = 2
    first_wait_s: float = 0.5
    longest_own_wait_s: float = 8.0
    longest_wait_s: float = 60.0
    retry_read_timeouts: bool = False

    def __post_init__(self) -> None:
        """Raises ``InvalidInputError`` for what is no number of tries or no time."""
        if type(self.max_retries) is not int or self.max_retries < 0:
            raise InvalidInputError(
                f"max_retries must be a whole number of at least 0, not {self.max_retries!r}"
            )
        for name in ("first_wait_s", "longest_own_wait_s", "longest_wait_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
                raise InvalidInputError(f"{name} must be a number of seconds of at least 0, not {value!r}")
        if not isinstance(self.retry_read_timeouts, bool):
            raise InvalidInputError(
                f"retry_read_timeouts must be True or False, not {self.retry_read_timeouts!r}"
            )

    def delay_s(self, attempt: int, error: AIVideoAPIError, *, jitter: float) -> float | None:
        """Seconds to wait after failed try ``attempt`` (from 0), or ``None`` to give up.

        ``jitter`` in [0, 1) shortens our own back-off by up to a quarter, never the server's.
        """
        if not error.retryable or attempt >= self.max_retries:
            return None
        wait_s = error.retry_after_s
        if wait_s is None:
            wait_s = min(self.first_wait_s * 2.0 ** min(attempt, _DOUBLINGS), self.longest_own_wait_s)
            wait_s *= 1 - jitter / 4
        return wait_s if wait_s <= self.longest_wait_s else None


def parse_retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds the server asks to wait: ``retry-after-ms``, else ``retry-after`` as seconds or HTTP date.

    ``headers`` has names in lower case (or is case-insensitive). Nonsense counts as absent, a date in
    the past as 0.
    """
    if not _WAITS & headers.keys():
        return None
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if 0 <= wait_s < float("inf"):
            return wait_s
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser has known gaps
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


def parse_should_retry(headers: Mapping[str, str]) -> bool | None:
    """The server's own word on it, ``x-should-retry``, if it has one."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())
