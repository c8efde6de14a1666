"""Seconds since 1970 as a ``datetime`` of the same second."""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo


def datetime_at(at_s: float, zone: tzinfo | None = UTC) -> datetime:
    """The moment ``at_s`` in ``zone``; without one, in the machine's own.

    ``datetime.fromtimestamp`` rounds to the nearest microsecond, which can be the next day's first. What is
    asked here is which day a moment is in, so a second is never left.
    """
    whole_s = math.floor(at_s)
    moment = datetime.fromtimestamp(whole_s, zone)
    if zone is None:
        moment = moment.astimezone()
    return moment.replace(microsecond=min(round((at_s - whole_s) * 1e6), 999_999))
