"""The terms of a budget, its standing, and the protocol of its stores. Amounts are microcredits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, Protocol

from aivideoapi_core._metering.datetimes import datetime_at
from aivideoapi_core._stores.budget_calendar import CalendarWindow

GRAINS_PER_WINDOW: Final = 60
"""A sliding window is kept in this many pieces, so that its state stays small. What was spent
leaves the window up to one piece late, never early."""

WhenOwnerDies = Literal["release", "count"]

Turn = Literal["at once", "behind", "in line"]
"""How a reservation is asked for while others wait for room. ``"at once"``: now or never.
``"behind"``: not before those who stand in line. ``"in line"``: take a place in the line, or keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed: the same for every process that shares a budget. The store keeps them.

    ``window_s``: the length of a window that slides. ``calendar``: windows that follow one another. Neither: the
    limit is for all time. Each process's own are ``lease_s``, for how long its reservations are held,
    ``when_owner_dies``: what it does with those whose owner has not renewed its lease, give them back or
    book them as spent; and ``thresholds``, the shares of the limit that it wants to hear of.
    ``joined``: whoever asks has agreed before, so that the limit is the store's, which may have been
    moved since.
    """

    limit_micro: int
    window_s: float | None = None
    soft: bool = False
    lease_s: float = float("inf")
    when_owner_dies: WhenOwnerDies = "release"
    joined: bool = False
    calendar: CalendarWindow | None = None
    thresholds: tuple[float, ...] = ()

    @property
    def grain_s(self) -> float:
        """Length of one piece of the window."""
        return (self.window_s or 0.0) / GRAINS_PER_WINDOW

    def bucket(self, now: float) -> int:
        """The piece of the window that ``now`` is in; 0 without a window."""
        return 0 if self.window_s is None else int(now // self.grain_s)

    def leaves_at(self, bucket: int) -> float:
        """When everything in a piece was spent longer than a window ago."""
        return float("inf") if self.window_s is None else (bucket + 1) * self.grain_s + self.window_s

    def differs_from(self, kept: Terms) -> bool:
        """Whether a store that keeps ``kept`` has to refuse these."""
        same = (self.window_s, self.calendar, self.soft) == (kept.window_s, kept.calendar, kept.soft)
        return not same or (not self.joined and self.limit_micro != kept.limit_micro)


class TermsDifferError(Exception):
    """The store keeps other terms, ``kept``, for the budget of this name."""

    def __init__(self, kept: Terms) -> None:
        super().__init__(str(kept))
        self.kept = kept


class NewerFormatError(Exception):
    """The state was written by a newer release, in a format that this one does not know."""


@dataclass(
    slots=True, kw_only=True
)  # not frozen: two are made for every call, and that would double what they cost
class Standing:
    """How a budget stands. ``granted``: whether the reservation asked for was made.

    ``unknown_calls`` were booked at the most they can have cost, ``unknown_micro``, because nobody
    said the figure; those that nothing bounds add nothing to it. ``expired_calls`` lost their owner; ``expired_micro`` was reserved for them. With a
    window, all of them are those of the window. ``limit_micro`` is the limit that holds now: ``raised_micro`` of
    it until ``raised_until_s``. A window of the calendar is over at ``window_end_s``; both in seconds since 1970.

    Of a booking: ``passed`` are the thresholds that it was the first in this window to pass.

    Of a refusal: ``waits`` says that only reservations or others in line stand in the way,
    ``reserved_by`` who holds how much, ``room_in_s`` in how many seconds enough of what was spent will have
    left the window (``None``: that is not what stands in the way, or it never will).
    """

    limit_micro: int
    spent_micro: int = 0
    reserved_micro: int = 0
    unknown_calls: int = 0
    unknown_micro: int = 0
    expired_calls: int = 0
    expired_micro: int = 0
    granted: bool = True
    waits: bool = False
    reserved_by: Mapping[str, int] = field(default_factory=dict)
    room_in_s: float | None = None
    raised_micro: int = 0
    raised_until_s: float | None = None
    window_end_s: float | None = None
    passed: tuple[float, ...] = ()

    @property
    def raised_until(self) -> datetime | None:
        """When a raise of the limit ends, in UTC; ``None`` if the limit is not raised."""
        return None if self.raised_until_s is None else datetime_at(self.raised_until_s)

    @property
    def window_end(self) -> datetime | None:
        """When the window of the calendar is over, in UTC; ``None`` for other windows."""
        return None if self.window_end_s is None else datetime_at(self.window_end_s)

    @property
    def available_micro(self) -> int:
        """What may still be reserved; below zero if more was spent than was reserved for it."""
        return self.limit_micro - self.spent_micro - self.reserved_micro

    def __str__(self) -> str:
        spent, limit, reserved, unknown, expired, raised = (
            f"{Decimal(micro).scaleb(-6).normalize():f}"
            for micro in (
                self.spent_micro, self.limit_micro, self.reserved_micro, self.unknown_micro, self.expired_micro,
                self.raised_micro,
            )
        )  # fmt: skip
        parts = [f"{spent} of {limit} credits spent, {reserved} reserved"]
        if self.raised_until is not None:
            parts.append(f"{raised} of the limit until {self.raised_until:%Y-%m-%d %H:%M:%S} UTC")
        if self.unknown_calls:
            parts.append(
                f"{unknown} of that is a bound, for calls of unknown cost ({self.unknown_calls})"
                if self.unknown_micro
                else f"the cost of some calls is unknown, has no bound and is missing from that ({self.unknown_calls})"
            )
        if self.expired_calls:
            parts.append(f"{expired} had been reserved for calls whose process died ({self.expired_calls})")
        return "; ".join(parts)


class BudgetStore(Protocol):
    """Where a budget's state lives. Every method is atomic among all who share it.

    ``blocking``: whether a method can wait (a file, a network), so that asynchronous callers must
    not call it on the event loop. ``shared``: whether owners can die and leases are needed.
    All but ``settle`` raise ``TermsDifferError`` where the store keeps other terms.
    """

    blocking: bool
    shared: bool

    def reserve(
        self,
        terms: Terms,
        *,
        id: str,
        owner: str,
        micro: int,
        turn: Turn = "at once",
    ) -> Standing:
        """Reserve ``micro`` if it fits. The same ``id`` twice is one reservation."""

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:
        """Book ``micro`` in place of reservation ``id``, late or not; a second time does nothing.

        Its place in line is given up. An ``id`` that the store has never seen is booked all the same: it was made before the store
        lost its data.
        """

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """Keep the reservations of ``owner`` for another ``lease_s``."""

    def standing(self, terms: Terms) -> Standing:
        """How the budget stands now."""

    def look(self) -> tuple[Terms, Standing] | None:
        """The terms that are kept and how the budget stands, ``None`` if there is none; the dead keep what they hold."""

    def set_limit(self, terms: Terms, *, limit_micro: int) -> Standing:
        """Move the limit, for everybody who shares the budget; a raise is over with it."""

    def raise_until(
        self, terms: Terms, *, limit_micro: int, for_s: float | None = None, at_s: float | None = None
    ) -> Standing:
        """Let ``limit_micro`` hold for ``for_s`` seconds, or until ``at_s`` (since 1970, by the store's clock).

        In place of any other raise; one to no more than the limit only ends that.
        """

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
