"""The rules of a credit budget over plain data. Stores add atomicity, nothing else.

All amounts are microcredits, all times seconds of the budget's own time (see ``budget_clock``).
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, NamedTuple

from aivideoapi_core._stores.budget_calendar import CalendarWindow, OpenWindow
from aivideoapi_core._stores.budget_clock import BudgetTime, Reading
from aivideoapi_core._stores.budget_terms import Standing, Terms, TermsDifferError, Turn

PLACE_S: Final = 3.0
"""How long a place in the line is kept for a caller that does not ask again."""
_LATE: Final = 1_000
"""How many reservations of the dead are remembered, in case one of them was only slow."""
_SETTLED: Final = 32
"""How many settled reservations are remembered, so that a repeated message changes nothing."""

EARLIER: Final = "earlier release "
"""How the names of owners begin whose calls ran when this release took the state over. Their release is refused from then
on, and can settle none of them: whatever ``when_owner_dies`` says, they may have been billed."""

SPENT, UNKNOWN_CALLS, UNKNOWN, EXPIRED_CALLS, EXPIRED = range(5)
"""What a piece of the window counts; calls, or microcredits."""


class Raise(NamedTuple):
    """A higher limit that holds until a time: by the budget's, and by the wall clock for people to read."""

    to_micro: int
    until: float
    until_s: float


@dataclass(slots=True)
class Owner:
    """A process with running calls: when it counts as dead, and the sums over its reservations."""

    until: float
    micro: int = 0
    calls: int = 0


@dataclass(slots=True)
class BudgetState:
    """All there is to know of one budget. The methods are the rules; each moves the time on and sweeps first.

    Whatever can be many is looked up by its id and never added up: a store may keep ``held`` and ``expired`` as rows,
    and a call costs the same beside ten others and beside twenty thousand.
    """

    terms: Terms | None = None
    """Those of whoever came first."""
    time: BudgetTime = field(default_factory=BudgetTime)
    pieces: dict[int, list[int]] = field(default_factory=dict)
    """Counts by piece of the window, oldest first; see ``SPENT`` and its neighbours."""
    held: MutableMapping[str, tuple[str, int]] = field(default_factory=dict)
    """Reservations: id to (owner, microcredits)."""
    owners: dict[str, Owner] = field(default_factory=dict)
    """Those who hold something."""
    expired: MutableMapping[str, bool] = field(default_factory=dict)
    """Ids of reservations that lost their owner and were not settled since, oldest first: were they booked then?"""
    settled: dict[str, None] = field(default_factory=dict)
    """Ids settled last, oldest first."""
    waiting: dict[str, float] = field(default_factory=dict)
    """The line: id to the time until which its place is kept; first come first."""
    opened: OpenWindow | None = None
    """Of a calendar's windows the one that all in ``pieces`` was booked in."""
    raised: Raise | None = None
    fired: dict[float, float] = field(default_factory=dict)
    """Thresholds that were passed in this window, as shares of the limit, and when."""
    sums: list[int] = field(init=False)
    """Sums over ``pieces``, kept so that many running calls make none slower."""
    reserved_micro: int = field(init=False)
    """Sum over ``held``, by way of ``owners``."""

    def __post_init__(self) -> None:
        """Add up what is there."""
        self.sums = [sum(counts) for counts in zip([0] * 5, *self.pieces.values(), strict=True)]
        self.reserved_micro = sum(owner.micro for owner in self.owners.values())

    def reserve(
        self,
        terms: Terms,
        reading: Reading,
        *,
        id: str,
        owner: str,
        micro: int,
        turn: Turn = "at once",
    ) -> Standing:
        """See ``BudgetStore.reserve``."""
        kept = self._agreed(terms)
        self._move_on(kept, terms, reading)
        until = self.time.awake + terms.lease_s
        own = self.owners.get(owner) or Owner(until)
        own.until = max(own.until, until)
        # The latter was given back before it was made: two threads, or two connections. Who holds nothing holds no such
        # id, and need not look it up.
        if (own.calls and id in self.held) or id in self.settled:
            return self._standing(kept)
        spent, limit = self.sums[SPENT], self._limit(kept)
        held = 0 if kept.soft else micro
        if kept.soft:
            could, fits = spent < limit, spent < limit
        else:
            could = spent + micro <= limit
            fits = spent + self.reserved_micro + micro <= limit
        if fits and (turn == "at once" or self._is_first(id)):
            self.waiting.pop(id, None)
            # Up to the next call of a function nothing is interrupted.
            self.held[id] = (owner, held)
            self.owners[owner] = own
            own.micro += held
            own.calls += 1
            self.reserved_micro += held
            return self._standing(kept)
        if could and turn == "in line":
            self.waiting[id] = self.time.awake + PLACE_S
        elif not could:
            self.waiting.pop(id, None)
        return replace(
            self._standing(kept),
            granted=False,
            waits=could,
            reserved_by={name: one.micro for name, one in self.owners.items()},
            room_in_s=None if could else self._room_in_s(kept, micro),
        )

    def settle(
        self,
        terms: Terms,
        reading: Reading,
        *,
        id: str,
        micro: int,
        unknown: bool,
    ) -> Standing:
        """See ``BudgetStore.settle``."""
        kept = self._agreed(terms, refuse=False)
        self._move_on(kept, terms, reading)
        if id in self.settled:
            return self._standing(kept)
        self.waiting.pop(id, None)
        held = self.held.get(id)
        own = None if held is None else self.owners[held[0]]
        # An owner that was slow, not dead: the money was spent all the same. With "count" it was booked then.
        counted = None if held is not None else self.expired.get(id)
        spent = 0 if counted else micro
        unknown_micro = micro if unknown else 0
        counts, sums = self._counts(kept, anything=bool(spent or unknown)), self.sums
        # Up to the next call of a function nothing is interrupted: booked, let go and known as settled, or none of it.
        if held is not None and own is not None:
            del self.held[id]
            self.reserved_micro -= held[1]
            own.micro -= held[1]
            own.calls -= 1
            if not own.calls:
                del self.owners[held[0]]
        elif counted is not None:
            del self.expired[id]
        counts[SPENT] += spent
        sums[SPENT] += spent
        counts[UNKNOWN_CALLS] += unknown
        sums[UNKNOWN_CALLS] += unknown
        counts[UNKNOWN] += unknown_micro
        sums[UNKNOWN] += unknown_micro
        self.settled[id] = None
        if len(self.settled) > _SETTLED:
            del self.settled[next(iter(self.settled))]
        standing = self._standing(kept)
        if terms.thresholds and (passed := self._newly_passed(kept, terms.thresholds)):
            return replace(standing, passed=passed)
        return standing

    def renew(self, terms: Terms, reading: Reading, *, owner: str) -> Standing:
        """See ``BudgetStore.renew``."""
        kept = self._agreed(terms)
        self.time.advance(reading, terms.lease_s)
        if owner in self.owners:
            own = self.owners[owner]
            own.until = max(own.until, self.time.awake + terms.lease_s)
        self._sweep(kept, terms)
        return self._standing(kept)

    def standing(self, terms: Terms, reading: Reading) -> Standing:
        """See ``BudgetStore.standing``."""
        kept = self._agreed(terms)
        self._move_on(kept, terms, reading)
        return self._standing(kept)

    def look(self, reading: Reading) -> tuple[Terms, Standing] | None:
        """See ``BudgetStore.look``."""
        if self.terms is None:
            return None
        self.time.advance(reading, 0.0)
        self._sweep_windows(self.terms)
        return self.terms, self._standing(self.terms)

    def set_limit(self, terms: Terms, reading: Reading, *, limit_micro: int) -> Standing:
        """See ``BudgetStore.set_limit``."""
        kept = self._agreed(replace(terms, joined=True))
        self.time.advance(reading, terms.lease_s)
        self._sweep_windows(kept)
        self.terms = kept = replace(kept, limit_micro=limit_micro)
        self.raised = None
        self._forget_thresholds(kept)
        return self._standing(kept)

    def raise_until(
        self,
        terms: Terms,
        reading: Reading,
        *,
        limit_micro: int,
        for_s: float | None = None,
        at_s: float | None = None,
    ) -> Standing:
        """See ``BudgetStore.raise_until``."""
        kept = self._agreed(replace(terms, joined=True))
        self.time.advance(reading, terms.lease_s)
        self._sweep_windows(kept)
        wall_s = self.time.wall
        left_s = (at_s or wall_s) - wall_s if for_s is None else for_s
        self.raised = None
        if limit_micro > kept.limit_micro and left_s > 0:
            self.raised = Raise(limit_micro, self.time.now + left_s, at_s or wall_s + left_s)
        self._forget_thresholds(kept)
        return self._standing(kept)

    def calls_of_the_dead(self, terms: Terms, reading: Reading) -> int:
        """How many reservations the next change lets go of, since their owners count as dead by now."""
        self.time.advance(reading, terms.lease_s)
        return sum(owner.calls for owner in self.owners.values() if owner.until <= self.time.awake)

    def forget_calls(self) -> None:
        """Forget what runs: after a fork those calls are the parent's."""
        self.held, self.owners, self.waiting, self.reserved_micro = {}, {}, {}, 0

    def _agreed(self, terms: Terms, *, refuse: bool = True) -> Terms:
        """The terms that hold. Raises ``TermsDifferError`` if ``terms`` are others, unless told not to."""
        if self.terms is None:
            self.terms = terms
        elif refuse and self.terms is not terms and terms.differs_from(self.terms):
            raise TermsDifferError(self.terms)
        return self.terms

    def _limit(self, kept: Terms) -> int:
        return kept.limit_micro if self.raised is None else max(kept.limit_micro, self.raised.to_micro)

    def _standing(self, kept: Terms) -> Standing:
        spent, unknown_calls, unknown_micro, expired_calls, expired_micro = self.sums
        limit_micro, raised = kept.limit_micro, self.raised
        return Standing(
            limit_micro=limit_micro if raised is None else max(limit_micro, raised.to_micro),
            raised_micro=0 if raised is None else max(0, raised.to_micro - limit_micro),
            raised_until_s=None if raised is None else raised.until_s,
            window_end_s=None if self.opened is None else self.opened.end_s,
            spent_micro=spent,
            reserved_micro=self.reserved_micro,
            unknown_calls=unknown_calls,
            unknown_micro=unknown_micro,
            expired_calls=expired_calls,
            expired_micro=expired_micro,
        )

    def _is_first(self, id: str) -> bool:
        """Whether nobody stands in line before ``id``, who need not stand there."""
        if not self.waiting:
            return True
        self.waiting = {other: until for other, until in self.waiting.items() if until > self.time.awake}
        return next(iter(self.waiting), id) == id

    def _room_in_s(self, kept: Terms, micro: int) -> float | None:
        """In how many seconds enough will have left the window for ``micro``, reservations aside."""
        wanted = self.sums[SPENT] + (1 if kept.soft else micro)
        raised, now = self.raised, self.time.now
        for bucket, counts in self.pieces.items():
            wanted -= counts[SPENT]
            at = kept.leaves_at(bucket) if self.opened is None else self.opened.until
            limit = kept.limit_micro if raised is None or raised.until <= at else raised.to_micro
            if wanted <= limit:
                return None if at == float("inf") else max(0.0, at - now)
        return None

    def _newly_passed(self, kept: Terms, shares: tuple[float, ...]) -> tuple[float, ...]:
        """Which of ``shares`` of the limit are spent, and were not yet said to be in this window."""
        spent, limit, now = self.sums[SPENT], self._limit(kept), self.time.now
        if kept.window_s is not None:
            self.fired = {share: at for share, at in self.fired.items() if at + kept.window_s > now}
        passed = tuple(
            share for share in shares if spent and spent >= limit * share and share not in self.fired
        )
        self.fired.update(dict.fromkeys(passed, now))
        return passed

    def _forget_thresholds(self, kept: Terms) -> None:
        """Another limit: what is not passed any more can be passed again."""
        least = self._limit(kept)
        self.fired = {share: at for share, at in self.fired.items() if self.sums[SPENT] >= least * share}

    def _book(self, kept: Terms, *amounts: int) -> None:
        """Add ``amounts`` to the counts of this moment, in their order."""
        counts = self._counts(kept, anything=any(amounts))
        for place, amount in enumerate(amounts):
            counts[place] += amount
            self.sums[place] += amount

    def _counts(self, kept: Terms, *, anything: bool) -> list[int]:
        """The counts of this moment, to be added to; of no moment if there is not ``anything`` to be added."""
        return self.pieces.setdefault(kept.bucket(self.time.now), [0] * 5) if anything else [0] * 5

    def _move_on(self, kept: Terms, terms: Terms, reading: Reading) -> None:
        self.time.advance(reading, terms.lease_s)
        self._sweep(kept, terms)

    def _sweep(self, kept: Terms, terms: Terms) -> None:
        """Let go of what is over; ``terms``, the caller's own, say what becomes of the reservations of the dead."""
        self._sweep_windows(kept)
        awake = self.time.awake
        for owner in self.owners.values():
            if owner.until <= awake:
                self._sweep_dead(kept, terms)
                return

    def _sweep_windows(self, kept: Terms) -> None:
        now = self.time.now
        if self.raised is not None and self.raised.until <= now:
            self.raised = None
        if kept.calendar is not None:
            self._turn_page(kept.calendar)
        while (
            kept.window_s is not None
            and self.pieces
            and kept.leaves_at(bucket := next(iter(self.pieces))) <= now
        ):
            sums = [total - amount for total, amount in zip(self.sums, self.pieces[bucket], strict=True)]
            del self.pieces[bucket]
            self.sums = sums

    def _sweep_dead(self, kept: Terms, terms: Terms) -> None:
        dead = {name for name, owner in self.owners.items() if owner.until <= self.time.awake}
        all_count = terms.when_owner_dies == "count"
        theirs = [(id, *held) for id, held in self.held.items() if held[0] in dead]
        for id, owner, micro in theirs:
            counts = all_count or owner.startswith(EARLIER)
            del self.held[id]
            self.expired[id] = counts
            self._book(kept, micro if counts else 0, 0, 0, 1, micro)
        for name in dead:
            self.reserved_micro -= self.owners.pop(name).micro
        for id in list(islice(self.expired, max(0, len(self.expired) - _LATE))):
            del self.expired[id]

    def _turn_page(self, calendar: CalendarWindow) -> None:
        """Begin anew if the window of the calendar is over."""
        now, opened = self.time.now, self.opened
        if opened is None:
            self.opened = OpenWindow.at(calendar, self.time.wall, now=now)
        elif opened.until <= now:
            after = opened.after(calendar, now=now, wall_s=self.time.wall)
            self.opened = after
            if after.end_s != opened.end_s:
                self.pieces, self.sums, self.fired = {}, [0] * 5, {}
