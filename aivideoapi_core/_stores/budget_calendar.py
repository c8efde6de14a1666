"""Windows of the calendar: days, weeks and months of a time zone, and the one that is open now. Does no I/O but zones'."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal, NamedTuple, Self, cast, get_args

from aivideoapi_core._constructor_errors import with_known_fields
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.datetimes import datetime_at

CalendarUnit = Literal["day", "week", "month"]

_UNITS: Final = get_args(CalendarUnit)
_WORD: Final = "calendar "


@with_known_fields
@dataclass(frozen=True, slots=True)
class CalendarWindow:
    """A window of the calendar: each day, week (from Monday) or month of the time zone ``tz``, by its IANA name.

    Days have 23 or 25 hours where the clocks change. Raises ``InvalidInputError`` for a unit or zone
    that is not known.
    """

    unit: CalendarUnit
    tz: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse what has no calendar."""
        if self.unit not in _UNITS:
            raise InvalidInputError(f"a calendar window is of a 'day', 'week' or 'month', not {self.unit!r}")
        _zone(self.tz)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """``"calendar month"`` or ``"calendar month Europe/Berlin"``; ``None`` if ``text`` is no such window."""
        if not text.startswith(_WORD):
            return None
        unit, _, tz = text.removeprefix(_WORD).partition(" ")
        return cls(cast("CalendarUnit", unit), tz.strip() or "UTC")

    def __str__(self) -> str:
        return f"{_WORD}{self.unit} {self.tz}"

    @property
    def zone(self) -> tzinfo:
        """The time zone."""
        return _zone(self.tz)

    def bounds(self, at_s: float) -> tuple[float, float]:
        """Start and end of the window that ``at_s`` is in; all are seconds since 1970."""
        zone = self.zone
        first = self._first_day(datetime_at(at_s, zone).date())
        start_s, end_s = _midnight_s(first, zone), _midnight_s(self._next(first), zone)
        # A zone that set its clocks back over midnight has a moment of the new day before the old one's last hour.
        while at_s >= end_s:
            first = self._next(first)
            start_s, end_s = end_s, _midnight_s(self._next(first), zone)
        return start_s, end_s

    def _first_day(self, day: date) -> date:
        match self.unit:
            case "day":
                return day
            case "week":
                return day - timedelta(days=day.weekday())
            case "month":
                return day.replace(day=1)

    def _next(self, first: date) -> date:
        match self.unit:
            case "day":
                return first + timedelta(days=1)
            case "week":
                return first + timedelta(days=7)
            case "month":
                return (first + timedelta(days=31)).replace(day=1)


class OpenWindow(NamedTuple):
    """The window of a calendar that is open: its bounds by the wall clock, and when it is over by the budget's time.

    It is over when the time that it had left when it was opened has passed, whatever was done to the wall clock
    since. The next one is opened by the wall clock of the store; if that says that this one is not over,
    because the clock was set back, it goes on.
    """

    start_s: float
    end_s: float
    until: float

    @classmethod
    def at(cls, calendar: CalendarWindow, at_s: float, *, now: float) -> Self:
        """The window that ``at_s`` is in, when the budget's time is ``now``."""
        start_s, end_s = calendar.bounds(at_s)
        return cls(start_s, end_s, now + (end_s - at_s))

    def after(self, calendar: CalendarWindow, *, now: float, wall_s: float) -> OpenWindow:
        """The window that is open at ``now``, which this one's ``until`` is not after."""
        if self.start_s <= wall_s < self.end_s:
            return self._replace(until=now + (self.end_s - wall_s))
        # A clock that shows a time before this window shows nothing: the calendar goes on from where it was.
        return OpenWindow.at(calendar, max(wall_s, self.end_s), now=now)


@functools.lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    import zoneinfo  # not before it is needed

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise InvalidInputError(
            f"there is no time zone {name!r}: give an IANA name such as 'Europe/Berlin' "
            "(a system without time zones, such as Windows, needs: pip install tzdata)"
        ) from None


def _midnight_s(day: date, zone: tzinfo) -> float:
    """When ``day`` begins. Where its midnight is skipped or comes twice, at the skip, and the first time."""
    return datetime.combine(day, time.min, tzinfo=zone).timestamp()
