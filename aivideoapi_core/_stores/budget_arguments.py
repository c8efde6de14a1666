"""The arguments of a budget: what a caller writes, as the plain data that it means. Raises ``InvalidInputError``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from aivideoapi_core._catalogue.amounts import USD_PER_CREDIT
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._stores.budget_calendar import CalendarWindow
from aivideoapi_core._stores.budget_terms import Terms

Window = (
    Literal["hour", "day", "calendar day", "calendar week", "calendar month"]
    | str
    | timedelta
    | CalendarWindow
    | None
)
"""``str``: one of these windows of the calendar, with a time zone behind: ``"calendar day Europe/Berlin"``."""

_WINDOWS: Final = {"hour": 3_600.0, "day": 86_400.0}


def limit_micro_of(amount_credits: int | float | str | Decimal, *, name: str = "limit_credits") -> int:
    """A limit in microcredits, given as ``name``."""
    try:
        amount = Decimal(str(amount_credits))
        if isinstance(amount_credits, bool) or not amount.is_finite() or amount < 0:
            raise InvalidOperation
    except InvalidOperation:
        raise InvalidInputError(
            f"{name} must be a number of credits, 0 or more, not {amount_credits!r}{_in_credits(amount_credits)}"
        ) from None
    return int(amount.scaleb(6))


_DOLLARS: Final = re.compile(
    r"(?:\$|usd)\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:\$|usd|dollars?)", re.IGNORECASE
)


def _in_credits(amount: Any) -> str:
    """What an amount in US dollars is, for who gave one in place of credits."""
    found = _DOLLARS.fullmatch(amount.strip()) if isinstance(amount, str) else None
    if found is None:
        return ""
    credits = Decimal(found[1] or found[2]) / USD_PER_CREDIT
    return f": that is {credits.normalize():f} credits, at 0.005 US dollars each"


def check_seconds(name: str, value: Any, *, or_none_at_all: bool = False) -> None:
    """Raise unless ``value``, given as ``name``, is a number of seconds; 0 counts only if it may be ``or_none_at_all``."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not (value > 0 or (or_none_at_all and value == 0)):
        least = "0 or more" if or_none_at_all else "more than 0"
        raise InvalidInputError(f"{name} must be a number of seconds, {least}, not {value!r}")


def window_of(window: Window) -> tuple[float | None, CalendarWindow | None]:
    """Length of a window that slides, or the calendar of those that do not."""
    if window is None:
        return None, None
    calendar = CalendarWindow.parse(window) if isinstance(window, str) else window
    if isinstance(calendar, CalendarWindow):
        return None, calendar
    length_s = window.total_seconds() if isinstance(window, timedelta) else _WINDOWS.get(str(window))
    if length_s is None or length_s <= 0:
        raise InvalidInputError(
            "window must be None, 'hour', 'day' or a positive timedelta, which slide, or of the calendar: "
            f"'calendar day', 'calendar week', 'calendar month', CalendarWindow('day', tz=...); not {window!r}"
        )
    return length_s, None


def until_of(when: datetime | timedelta) -> tuple[float | None, float | None]:
    """Seconds from now, or the time in seconds since 1970."""
    if isinstance(when, timedelta):
        if when > timedelta():
            return when.total_seconds(), None
    elif isinstance(when, datetime) and when.tzinfo is not None and when > datetime.now(UTC):
        return None, when.timestamp()
    raise InvalidInputError(
        f"when must be a later datetime with a time zone, or a positive timedelta, not {when!r}"
    )


def arguments_of(terms: Terms) -> dict[str, Any]:
    """The arguments that mean ``terms``, but for the limit and thresholds."""
    return {
        "window": terms.calendar if terms.window_s is None else timedelta(seconds=terms.window_s),
        "soft": terms.soft,
        "lease_s": terms.lease_s,
        "when_owner_dies": terms.when_owner_dies,
    }
