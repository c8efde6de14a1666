"""The clock of a budget: seconds that no step of a wall clock moves, in any process that shares the budget.

A wall clock can be set, in either direction, by a person, by NTP, by a laptop that wakes. A machine's
clock since its boot cannot, but it means nothing on another machine or after a restart. So a budget
keeps its own time: each machine's boot is known to it by an offset, found once from a wall clock, and
from then on only that machine's clock since boot counts. The budget's time never goes back.

Readings are taken inside the store's transaction, so that none is older than what it is compared with. In Redis that cannot
be: ``budget.lua`` has the same time from readings that are late. And it has two wall clocks for a machine that is
new, the server's and that machine's, where a file has one. No clock goes on while the one machine of a file is
off, so that how long that was is the wall clock's word alone: it can end windows early by what it was set ahead
between two boots, and by nothing else.

There are two of them. ``now`` goes on while a machine sleeps; windows are measured by it. ``awake``
does not: leases are, because a process that was asleep with its machine is not dead.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

_MOST_BOOTS: Final = 64
"""How many boots of machines are remembered; a forgotten one is met anew, by the wall clock."""


class Reading(NamedTuple):
    """What the clocks of one machine show: its boot, its two clocks since then, and the wall clock; in seconds."""

    boot: str
    awake_s: float
    since_boot_s: float
    wall_s: float


Clock = Callable[[], Reading | float]
"""A test may give one number in place of a reading: all clocks of this machine show it then."""


def machine_clock() -> Reading:
    """The clocks of this machine."""
    return Reading(_boot(), _awake(), _since_boot(), time.time())


def read(clock: Clock) -> Reading:
    """What ``clock`` shows, as a reading."""
    shown = clock()
    return shown if isinstance(shown, Reading) else Reading(_boot(), shown, shown, shown)


def _clock_called(*names: str) -> Callable[[], float]:
    # Looked up once, and not ``time.monotonic`` where it can be helped: libraries that freeze the time in tests
    # replace that one.
    for name in names:
        number = getattr(time, name, None)
        if number is not None:
            return functools.partial(time.clock_gettime, number)
    return time.monotonic


_awake: Final = _clock_called("CLOCK_UPTIME_RAW", "CLOCK_MONOTONIC")
_since_boot: Final = _clock_called("CLOCK_BOOTTIME", "CLOCK_MONOTONIC")


@functools.lru_cache(maxsize=1)
def _boot() -> str:
    """An id of this boot of this machine; where the system has none, of this process and its forks."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        return os.urandom(8).hex()
    try:
        # Containers can have a clock since boot of their own.
        return f"{boot}/{os.readlink('/proc/self/ns/time')}"
    except OSError:
        return boot


@dataclass(slots=True)
class BudgetTime:
    """The time of one budget. ``now`` and ``awake`` are 0 before the first reading, then near the wall clock's."""

    now: float = 0.0
    awake: float = 0.0
    wall: float = 0.0
    boots: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of each machine's boot: ``now`` and ``awake`` less its own two clocks. Latest last."""

    def advance(self, reading: Reading, lease_s: float) -> None:
        """Move on to ``reading``; never back. ``lease_s``: how long the leases are that go by ``awake``."""
        known = self.boots.get(reading.boot)
        if not self.boots:
            self.now = self.awake = reading.wall_s
        elif known is not None:
            self.now = max(self.now, reading.since_boot_s + known[0])
            self.awake = max(self.awake, reading.awake_s + known[1])
        else:
            # A machine not seen before, or seen before it was restarted.
            passed_s = max(0.0, reading.wall_s - self.wall)
            self.now += passed_s
            # The wall clock may have been set, or the machine have slept: whoever renews a lease must not lose it to that.
            self.awake += min(passed_s, lease_s / 2)
        self.wall = reading.wall_s
        offsets = (self.now - reading.since_boot_s, self.awake - reading.awake_s)
        if known is None or max(abs(offsets[0] - known[0]), abs(offsets[1] - known[1])) > 0.001:
            self.boots[reading.boot] = offsets
            if len(self.boots) > _MOST_BOOTS:
                del self.boots[next(iter(self.boots))]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"now": self.now, "awake": self.awake, "wall": self.wall, "boots": self.boots}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Self:
        """Read what ``to_dict`` wrote."""
        boots = {boot: (now, awake) for boot, (now, awake) in facts["boots"].items()}
        return cls(now=facts["now"], awake=facts["awake"], wall=facts["wall"], boots=boots)
