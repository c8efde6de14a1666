"""The rules of a credit budget over plain data. Stores add atomicity, nothing else; one in memory is here.

All amounts are microcredits, all times seconds of one clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal, Protocol, Self

from pydantic_core import from_json, to_json

GRAINS_PER_WINDOW: Final = 60
"""A sliding window is kept in this many pieces, so that its state stays small. What was spent
leaves the window up to one piece late, never early."""

Clock = Callable[[], float]
"""Seconds."""

WhenOwnerDies = Literal["release", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed: the same for every process that shares a budget.

    ``window_s=None``: the limit is for all time. ``when_owner_dies``: reservations whose owner has not
    renewed its lease for ``lease_s`` come back, or are booked as spent.
    """

    limit_micro: int
    window_s: float | None = None
    soft: bool = False
    lease_s: float = float("inf")
    when_owner_dies: WhenOwnerDies = "release"

    @property
    def grain_s(self) -> float:
        """Length of one piece of the window."""
        return (self.window_s or 0.0) / GRAINS_PER_WINDOW

    def bucket(self, now: float) -> int:
        """The piece of the window that ``now`` is in; 0 without a window."""
        return 0 if self.window_s is None else int(now // self.grain_s)

    def is_over(self, bucket: int, now: float) -> bool:
        """Whether everything in a piece was spent longer than a window ago."""
        return self.window_s is not None and (bucket + 1) * self.grain_s + self.window_s <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a budget stands. ``granted``: whether the reservation asked for was made.

    ``unknown_calls`` were booked at the most they can have cost, ``unknown_micro``, because nobody
    said the figure. ``expired_calls`` lost their owner; ``expired_micro`` was reserved for them.
    """

    limit_micro: int
    spent_micro: int = 0
    reserved_micro: int = 0
    unknown_calls: int = 0
    unknown_micro: int = 0
    expired_calls: int = 0
    expired_micro: int = 0
    granted: bool = True

    @property
    def available_micro(self) -> int:
        """What may still be reserved; below zero if more was spent than was reserved for it."""
        return self.limit_micro - self.spent_micro - self.reserved_micro

    def __str__(self) -> str:
        spent, limit, reserved, unknown, expired = (
            f"{Decimal(micro).scaleb(-6).normalize():f}"
            for micro in (
                self.spent_micro, self.limit_micro, self.reserved_micro, self.unknown_micro, self.expired_micro
            )
        )  # fmt: skip
        parts = [f"{spent} of {limit} credits spent, {reserved} reserved"]
        if self.unknown_calls:
            parts.append(f"{unknown} of that is a bound, for calls of unknown cost ({self.unknown_calls})")
        if self.expired_calls:
            parts.append(f"{expired} had been reserved for calls whose process died ({self.expired_calls})")
        return "; ".join(parts)


class BudgetStore(Protocol):
    """Where a budget's state lives. Every method is atomic among all who share it.

    ``blocking``: whether a method can wait (a file, a network), so that asynchronous callers must
    not call it on the event loop. ``shared``: whether owners can die and leases are needed.
    """

    blocking: bool
    shared: bool

    def reserve(self, terms: Terms, *, id: str, owner: str, micro: int) -> Standing:  # noqa: A002
        """Reserve ``micro`` if it fits. The same ``id`` twice is one reservation."""

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:  # noqa: A002
        """Book ``micro`` in place of reservation ``id``, late or not; a second time does nothing."""

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """Keep the reservations of ``owner`` for another ``lease_s``."""

    def standing(self, terms: Terms) -> Standing:
        """How the budget stands now."""

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""


@dataclass(slots=True)
class BudgetState:
    """All there is to know of one budget. The methods are the rules; each sweeps first."""

    spent: dict[int, int] = field(default_factory=dict)
    """Microcredits by piece of the window."""
    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Reservations: id to (owner, microcredits)."""
    leases: dict[str, float] = field(default_factory=dict)
    """Owner to the time when it counts as dead."""
    expired: list[str] = field(default_factory=list)
    """Ids of reservations that lost their owner and were not settled since."""
    unknown_calls: int = 0
    unknown_micro: int = 0
    expired_calls: int = 0
    expired_micro: int = 0
    spent_micro: int = field(init=False)
    """Sum of ``spent``, kept so that many running calls make none slower."""
    reserved_micro: int = field(init=False)
    """Sum over ``held``."""

    def __post_init__(self) -> None:
        """Add up what is there."""
        self.spent_micro = sum(self.spent.values())
        self.reserved_micro = sum(micro for _, micro in self.held.values())

    def reserve(self, terms: Terms, *, id: str, owner: str, micro: int, now: float) -> Standing:  # noqa: A002
        """See ``BudgetStore.reserve``."""
        self._sweep(terms, now)
        self.leases[owner] = now + terms.lease_s
        if id in self.held:
            return self.standing(terms)
        held = 0 if terms.soft else micro
        if terms.soft:
            fits = self.spent_micro < terms.limit_micro
        else:
            fits = self.spent_micro + self.reserved_micro + micro <= terms.limit_micro
        if not fits:
            return self.standing(terms, granted=False)
        self.held[id] = (owner, held)
        self.reserved_micro += held
        return self.standing(terms)

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool, now: float) -> Standing:  # noqa: A002
        """See ``BudgetStore.settle``."""
        self._sweep(terms, now)
        if id in self.held:
            self.reserved_micro -= self.held.pop(id)[1]
            self._book(terms, micro, now)
        elif id in self.expired:
            # Its owner was slow, not dead: the money was spent all the same.
            self.expired.remove(id)
            if terms.when_owner_dies == "release":
                self._book(terms, micro, now)
        else:
            return self.standing(terms)
        if unknown:
            self.unknown_calls += 1
            self.unknown_micro += micro
        return self.standing(terms)

    def renew(self, terms: Terms, *, owner: str, now: float) -> Standing:
        """See ``BudgetStore.renew``."""
        if owner in self.leases:
            self.leases[owner] = max(self.leases[owner], now + terms.lease_s)
        self._sweep(terms, now)
        return self.standing(terms)

    def swept(self, terms: Terms, *, now: float) -> Standing:
        """See ``BudgetStore.standing``."""
        self._sweep(terms, now)
        return self.standing(terms)

    def standing(self, terms: Terms, *, granted: bool = True) -> Standing:
        """The sums, as they are."""
        return Standing(
            limit_micro=terms.limit_micro,
            spent_micro=self.spent_micro,
            reserved_micro=self.reserved_micro,
            unknown_calls=self.unknown_calls,
            unknown_micro=self.unknown_micro,
            expired_calls=self.expired_calls,
            expired_micro=self.expired_micro,
            granted=granted,
        )

    def _book(self, terms: Terms, micro: int, now: float) -> None:
        if micro:
            bucket = terms.bucket(now)
            self.spent[bucket] = self.spent.get(bucket, 0) + micro
            self.spent_micro += micro

    def _sweep(self, terms: Terms, now: float) -> None:
        for bucket in [bucket for bucket in self.spent if terms.is_over(bucket, now)]:
            self.spent_micro -= self.spent.pop(bucket)
        dead = {owner for owner, until in self.leases.items() if until <= now}
        if not dead:
            return
        for owner in dead:
            del self.leases[owner]
        for id, (owner, micro) in list(self.held.items()):  # noqa: A001 - the same word everywhere
            if owner not in dead:
                continue
            del self.held[id]
            self.reserved_micro -= micro
            self.expired.append(id)
            self.expired_calls += 1
            self.expired_micro += micro
            if terms.when_owner_dies == "count":
                self._book(terms, micro, now)
        del self.expired[:-_TOMBSTONES]

    def to_json(self) -> bytes:
        """As JSON: the fields but for the sums."""
        return to_json(
            {
                "spent": self.spent,
                "held": self.held,
                "leases": self.leases,
                "expired": self.expired,
                "unknown_calls": self.unknown_calls,
                "unknown_micro": self.unknown_micro,
                "expired_calls": self.expired_calls,
                "expired_micro": self.expired_micro,
            }
        )

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Read what ``to_json`` wrote."""
        facts = from_json(data)
        facts["spent"] = {int(bucket): micro for bucket, micro in facts["spent"].items()}
        facts["held"] = {key: (owner, micro) for key, (owner, micro) in facts["held"].items()}
        return cls(**facts)


_TOMBSTONES: Final = 1_000
"""How many reservations of the dead are remembered, in case one of them was only slow."""


class MemoryStore:
    """State of one budget in this process. Copies share it."""

    blocking = False
    shared = False

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state = BudgetState()

    def reserve(self, terms: Terms, *, id: str, owner: str, micro: int) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.reserve(terms, id=id, owner=owner, micro=micro, now=self._clock())

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.settle(terms, id=id, micro=micro, unknown=unknown, now=self._clock())

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.renew(terms, owner=owner, now=self._clock())

    def standing(self, terms: Terms) -> Standing:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.swept(terms, now=self._clock())

    def close(self) -> None:
        """Nothing to let go of."""

    def __reduce__(self) -> Any:
        raise TypeError(
            "a budget in memory cannot go to another process: give it store='budget.sqlite' or a Redis URL"
        )
