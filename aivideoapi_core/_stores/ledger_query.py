"""Queries of a ledger: which rows (``Selection``), and by what they are added up (``by``).

Pure: a store that knows a faster way (sums in SQL) has to give the same answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, TypeAlias

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.datetimes import datetime_at
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._metering.totals import Sums

When: TypeAlias = float | datetime | date | timedelta | str | None
"""Seconds since the epoch, a date, a time, how long ago, or a text: ``today``, ``yesterday``, ``2026-11-25``, ``2026-11``,
``2026-11-25T14:00``, ``24h``, ``7d`` or ``2w`` (ago), ``last 7 days`` (of the calendar, today being one)."""
Key: TypeAlias = str | None
"""A name in an answer; ``None`` stands for the calls that have none."""

COLUMNS: Final = ("model", "route", "framework", "outcome", "agent", "thread", "user", "customer", "budget")
"""Facts of a row that calls are selected and added up by, as they are."""
TIMES: Final[Mapping[str, str]] = {"hour": "%Y-%m-%dT%H:00%z", "day": "%Y-%m-%d", "month": "%Y-%m"}
"""Spans of time, and how one is named. The hour has its offset: in autumn there are two of one name."""
GROUPINGS: Final = (*COLUMNS, *TIMES, "tag")
TAGS: Final = "tags"
"""For stores alone: all tags of a call as one JSON text, so that no call is in two groups."""

_AGO: Final = re.compile(r"(\d{1,5})\s*([hdw])")
_LAST_DAYS: Final = re.compile(r"last (\d{1,5}) days?")
_HOURS: Final = {"h": 1, "d": 24, "w": 168}
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows: ``since <= started_at < until`` (seconds since the epoch), equal in ``facts``, with ``tag``."""

    since: float | None = None
    until: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None

    def matches(self, record: CallRecord) -> bool:
        """Whether ``record`` is one of them."""
        return (
            (self.since is None or record.started_at >= self.since)
            and (self.until is None or record.started_at < self.until)
            and (self.tag is None or self.tag in record.tags)
            and all(getattr(record, name) == value for name, value in self.facts.items())
        )


def select(*, since: When, until: When, tz: str | tzinfo, where: Mapping[str, str | None]) -> Selection:
    """The selection that a caller asks for. Raises ``InvalidInputError``, naming what there is.

    ``until`` as a day, or a month, includes it. ``where``: a name of ``COLUMNS`` or ``tag`` to its value;
    ``None`` selects nothing in particular.
    """
    unknown = [name for name in where if name not in (*COLUMNS, "tag")]
    if unknown:
        raise _no_such(unknown[0], (*COLUMNS, "tag"), what="calls cannot be selected by")
    zone = zone_of(tz)
    given = {name: str(value) for name, value in where.items() if value is not None}
    if nameless := [name for name, value in given.items() if not value]:
        raise InvalidInputError(f"{nameless[0]}='' selects nothing: give a name, or leave it out")
    tag = given.pop("tag", None)
    begin, end = moment(since, zone), moment(until, zone, after=True)
    if begin is not None and end is not None and (begin > end or (begin == end and since != until)):
        raise InvalidInputError(f"since={since!r} is after until={until!r}: no row can be in between")
    return Selection(since=begin, until=end, facts=given, tag=tag)


def groupings(by: str | Sequence[str]) -> tuple[str, ...]:
    """What is asked for as ``by``. Raises ``InvalidInputError``, naming what there is."""
    if not isinstance(by, (str, list, tuple, set, frozenset, dict)):
        raise _no_such(by, GROUPINGS, what="calls cannot be added up by")
    names = (by,) if isinstance(by, str) else tuple(by)
    for name in names:
        if name not in (*GROUPINGS, TAGS):
            raise _no_such(name, GROUPINGS, what="calls cannot be added up by")
    return names


def zone_of(tz: str | tzinfo) -> tzinfo | None:
    """The time zone called ``tz``: ``UTC``, a name such as ``Europe/Berlin``, or ``local`` (``None``: the machine's)."""
    if isinstance(tz, tzinfo):
        return tz
    if not isinstance(tz, str):
        raise InvalidInputError(f"tz must be the name of a time zone, such as Europe/Berlin, not {tz!r}")
    if tz.lower() == "local":
        return None
    if tz.upper() in ("UTC", "Z"):
        return UTC
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"there is no time zone {tz!r}: give UTC, local, or a name such as Europe/Berlin "
            "(a system without zones needs pip install tzdata)"
        ) from error


def moment(
    when: When, zone: tzinfo | None, *, after: bool = False, now: datetime | None = None
) -> float | None:
    """``when`` as seconds since the epoch; of a day its beginning, with ``after`` its end. Raises ``InvalidInputError``."""
    match when:
        case None:
            return None
        case bool():
            pass
        case int() | float():
            return _seconds(when)
        case timedelta() if when > timedelta():
            return ((now or datetime.now(zone)) - when).timestamp()
        case datetime():
            return (when if when.tzinfo is not None else when.replace(tzinfo=zone)).timestamp()
        case date():
            return _start_of(when + timedelta(days=1) if after else when, zone)
        case str():
            return _moment_of(when.strip().lower(), zone, after=after, now=now or datetime.now(zone))
    raise InvalidInputError(
        f"{when!r} is no time: give a datetime, a date, seconds since 1970, or a text such as 'yesterday' or '7d'"
    )


_EARLIEST_S: Final = 1e8
_LATEST_S: Final = 1e11
"""1973 and the year 5138: numbers before and after are days or hours, and milliseconds."""


def _seconds(when: float) -> float:
    """Seconds since the epoch; 0 is the beginning."""
    if when == 0 or _EARLIEST_S <= when < _LATEST_S:
        return float(when)
    raise InvalidInputError(
        f"{when!r} is no time: a number is seconds since 1970, such as time.time(); for how long ago give a text such as "
        "'7d' or '24h', or a timedelta"
    )


def span_name(unit: str, at_s: float, zone: tzinfo | None) -> str:
    """The name of the hour, day or month that ``at_s`` is in."""
    return datetime_at(at_s, zone).strftime(TIMES[unit])


def keys_of(record: CallRecord, by: Sequence[str], zone: tzinfo | None) -> list[tuple[Key, ...]]:
    """The groups that ``record`` belongs to: several where it has several tags, none where it has none."""
    keys: list[tuple[Key, ...]] = [()]
    for name in by:
        values: Sequence[Key]
        if name == "tag":
            values = record.tags
        elif name == TAGS:
            values = (json.dumps(record.tags),)
        elif name in TIMES:
            values = (span_name(name, record.started_at, zone),)
        else:
            value = getattr(record, name)
            values = (value if value is None else str(value),)
        keys = [(*key, value) for key in keys for value in values]
    return keys


def add_up(
    records: Iterable[CallRecord], by: Sequence[str], zone: tzinfo | None
) -> dict[tuple[Key, ...], Sums]:
    """The sums of each group, row by row."""
    groups: dict[tuple[Key, ...], Sums] = {}
    for record in records:
        for key in dict.fromkeys(keys_of(record, by, zone)):
            groups.setdefault(key, Sums()).add(record)
    return groups


def _moment_of(text: str, zone: tzinfo | None, *, after: bool, now: datetime) -> float:
    if text == "now":
        return now.timestamp()
    if text in ("today", "yesterday"):
        day = now.date() - timedelta(days=text == "yesterday")
        return _start_of(day + timedelta(days=1) if after else day, zone)
    if last := _LAST_DAYS.fullmatch(text):
        return _start_of(now.date() - timedelta(days=int(last[1]) - 1), zone)
    if ago := _AGO.fullmatch(text.removesuffix("ago").strip()):
        return now.timestamp() - int(ago[1]) * _HOURS[ago[2]] * 3600.0
    try:
        if month := _MONTH.fullmatch(text):
            first = date(int(month[1]), int(month[2]), 1)
            return _start_of((first + timedelta(days=31)).replace(day=1) if after else first, zone)
        if len(text) == len("2026-11-25"):
            day = date.fromisoformat(text)
            return _start_of(day + timedelta(days=1) if after else day, zone)
        at = datetime.fromisoformat(text.upper())
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"{text!r} is no time: give a day (2026-11-25, today, yesterday), a month (2026-11), "
            "a time (2026-11-25T14:00), or how long ago (24h, 7d, 2w)"
        ) from error
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp()


def _start_of(day: date, zone: tzinfo | None) -> float:
    return datetime.combine(day, time.min, zone).timestamp()


def _no_such(name: object, known: Sequence[str], *, what: str) -> InvalidInputError:
    return InvalidInputError(f"{what} {name!r}, but by {', '.join(known)}")
