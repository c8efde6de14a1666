"""Every store against a model of its own: no order of events finds a way past the limit or loses a credit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from aivideoapi_core._stores.budget_calendar import CalendarWindow
from aivideoapi_core._stores.budget_clock import Reading
from aivideoapi_core._stores.budget_memory import MemoryStore
from aivideoapi_core._stores.budget_redis import RedisStore
from aivideoapi_core._stores.budget_sqlite import SqliteStore
from aivideoapi_core._stores.budget_terms import BudgetStore, Standing, Terms, TermsDifferError

OWNERS = ("a", "b", "c")
LEASE_S = 10.0
DAYS, MONTHS = CalendarWindow("day", tz="America/New_York"), CalendarWindow("month", tz="Asia/Kolkata")


@dataclass
class Clock:
    """The clocks of a machine that sleeps, and whose wall clock is set."""

    now: float = 1_772_900_000.0  # the last afternoon before New York's clocks change
    asleep_s: float = 0.0
    set_by_s: float = 0.0

    @property
    def awake(self) -> float:
        return self.now - self.asleep_s

    @property
    def wall(self) -> float:
        return self.now + self.set_by_s

    def __call__(self) -> Reading:
        return Reading("one", self.awake, self.now, self.wall)


@dataclass
class Held:
    owner: str
    micro: int


@dataclass
class Truth:
    """What should be, kept naively: every single booking with its time."""

    bookings: list[tuple[float, int]] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    expired: dict[str, Held] = field(default_factory=dict)
    lease_until: dict[str, float] = field(default_factory=dict)
    late_micro: int = 0
    raised: tuple[int, float] | None = None
    highest_micro: int = 0
    fired: dict[float, float] = field(default_factory=dict)


class BudgetMachine(RuleBasedStateMachine):
    """Reserves, settles, releases, lets time pass and lets owners die."""

    reservations: Bundle[str] = Bundle("reservations")

    def make_store(self, clock: Clock) -> BudgetStore:
        raise NotImplementedError

    @initialize(
        limit=st.integers(0, 20),
        window=st.sampled_from([None, 60.0, 600.0, DAYS, MONTHS]),
        soft=st.booleans(),
        policy=st.sampled_from(["release", "count"]),
        thresholds=st.sampled_from([(), (0.5, 0.9)]),
    )
    def begin(self, limit: int, window: Any, soft: bool, policy: Any, thresholds: Any) -> None:
        self.clock = Clock()
        self.store = self.make_store(self.clock)
        self.terms = Terms(
            limit_micro=limit,
            window_s=None if isinstance(window, CalendarWindow) else window,
            calendar=window if isinstance(window, CalendarWindow) else None,
            soft=soft,
            lease_s=LEASE_S,
            when_owner_dies=policy,
            thresholds=thresholds,
        )
        self.truth = Truth(highest_micro=limit)
        self.names = iter(range(1_000_000))

    def sweep(self) -> None:
        for owner, until in list(self.truth.lease_until.items()):
            if until > self.clock.awake:
                continue
            del self.truth.lease_until[owner]
            for key, held in list(self.truth.held.items()):
                if held.owner == owner:
                    self.truth.expired[key] = self.truth.held.pop(key)
                    if self.terms.when_owner_dies == "count":
                        self.truth.bookings.append((self.clock.now, held.micro))

    def spent_exactly(self) -> int:
        """What was booked in the last window, to the second."""
        return sum(micro for at, micro in self.truth.bookings if self.is_in_window(at))

    def is_in_window(self, at: float) -> bool:
        """Whether what happened ``at`` belongs to the window that is open now."""
        return at >= self.began() if self.terms.window_s is None else at > self.began()

    def began(self) -> float:
        """When the window began."""
        if self.terms.calendar is not None:
            return self.terms.calendar.bounds(self.clock.now)[0]
        return float("-inf") if self.terms.window_s is None else self.clock.now - self.terms.window_s

    def limit(self) -> int:
        """The limit that holds now."""
        raised = self.truth.raised
        higher = raised[0] if raised is not None and self.clock.now < raised[1] else 0
        return max(self.terms.limit_micro, higher)

    def check_thresholds(self, booked: Standing, *, knows: bool = True) -> None:
        """Each is passed once in a window; a store that may have forgotten ``id`` can say fewer."""
        due = {
            share
            for share in self.terms.thresholds
            if booked.spent_micro
            and booked.spent_micro >= self.limit() * share
            and not (share in self.truth.fired and self.is_in_window(self.truth.fired[share]))
        }
        assert set(booked.passed) == due if knows else set(booked.passed) <= due
        self.truth.fired.update(dict.fromkeys(booked.passed, self.clock.now))

    @rule(target=reservations, owner=st.sampled_from(OWNERS), micro=st.integers(0, 8))
    def reserve(self, owner: str, micro: int) -> Any:
        key = f"r{next(self.names)}"
        before = self.store.standing(self.terms)
        standing = self.store.reserve(self.terms, id=key, owner=owner, micro=micro)
        self.sweep()
        self.truth.lease_until[owner] = self.clock.awake + LEASE_S
        assert standing.limit_micro == self.limit()
        if self.terms.soft:
            assert standing.granted == (before.spent_micro < self.limit())
        else:
            fits = before.spent_micro + before.reserved_micro + micro <= self.limit()
            assert standing.granted == fits
        if not standing.granted:
            self.check_room(standing, micro)
            return multiple()
        self.truth.held[key] = Held(owner, 0 if self.terms.soft else micro)
        again = self.store.reserve(self.terms, id=key, owner=owner, micro=micro)
        assert again.granted
        assert again.reserved_micro == standing.reserved_micro
        return key

    def check_room(self, refused: Standing, micro: int) -> None:
        """Room comes when it was said to, if nobody takes it; and when it was said not to come, it does not."""
        calendar = self.terms.calendar
        if refused.room_in_s is None or refused.reserved_micro or self.terms.when_owner_dies == "count":
            return
        if calendar is not None:
            assert self.clock.now + refused.room_in_s == pytest.approx(calendar.bounds(self.clock.now)[1])
        assert micro <= self.truth.highest_micro

    @rule(
        limit=st.integers(0, 40),
        seconds=st.sampled_from([4.0, 61.0, 700.0, 90_000.0]),
        by_clock=st.booleans(),
    )
    def raise_until(self, limit: int, seconds: float, by_clock: bool) -> None:
        """A higher limit for a while; one that is not higher ends the one before."""
        until = {"at_s": self.clock.wall + seconds} if by_clock else {"for_s": seconds}
        standing = self.store.raise_until(self.terms, limit_micro=limit, **until)
        self.sweep()
        higher = limit > self.terms.limit_micro
        self.truth.raised = (limit, self.clock.now + seconds) if higher else None
        self.truth.highest_micro = max(self.truth.highest_micro, limit)
        self.truth.fired = {
            share: at
            for share, at in self.truth.fired.items()
            if self.is_in_window(at) and standing.spent_micro >= self.limit() * share
        }
        assert standing.raised_micro == (limit - self.terms.limit_micro if higher else 0)
        assert standing.raised_until_s == (self.clock.wall + seconds if higher else None)

    @rule(key=reservations, part=st.integers(0, 100), unknown=st.booleans())
    def settle(self, key: str, part: int, unknown: bool) -> None:
        """With any figure up to what was reserved; late and double settlements included."""
        self.sweep()
        held = self.truth.held.pop(key, None)
        late = self.truth.expired.pop(key, None)
        known = held or late
        micro = 0 if known is None else known.micro * part // 100
        if self.terms.soft and known is not None:
            micro = part % 9
        booked = self.store.settle(self.terms, id=key, micro=micro, unknown=unknown)
        self.check_thresholds(booked, knows=known is not None)
        if held is not None:
            self.truth.bookings.append((self.clock.now, micro))
        elif late is not None and self.terms.when_owner_dies == "release":
            self.truth.bookings.append((self.clock.now, micro))
            self.truth.late_micro += micro
        again = self.store.settle(self.terms, id=key, micro=99, unknown=True)
        assert (again.spent_micro, again.passed) == (
            booked.spent_micro,
            (),
        )  # a repeated message changes nothing

    @rule(owner=st.sampled_from(OWNERS))
    def renew(self, owner: str) -> None:
        """The owner lives; one that never renews again has crashed. A lease that is over stays over."""
        self.store.renew(self.terms, owner=owner)
        if owner in self.truth.lease_until:
            self.truth.lease_until[owner] = max(self.truth.lease_until[owner], self.clock.awake + LEASE_S)
        self.sweep()

    @rule(owner=st.sampled_from(OWNERS), micro=st.integers(1, 8))
    def wait_in_line(self, owner: str, micro: int) -> None:
        """Whoever stands in line gets what fits when nobody stands before; who comes behind gets nothing."""
        one, other = f"w{next(self.names)}", f"w{next(self.names)}"
        before = self.store.standing(self.terms)
        first = self.store.reserve(self.terms, id=one, owner=owner, micro=micro, turn="in line")
        self.sweep()
        self.truth.lease_until[owner] = max(
            self.truth.lease_until.get(owner, 0.0), self.clock.awake + LEASE_S
        )
        could = before.spent_micro + micro <= self.limit()
        if self.terms.soft:
            could = before.spent_micro < self.limit()
        assert first.granted == (could and (self.terms.soft or micro <= before.available_micro))
        assert first.waits == (could and not first.granted)
        if first.waits:
            behind = self.store.reserve(self.terms, id=other, owner=owner, micro=0, turn="behind")
            assert not behind.granted
            now = self.store.reserve(self.terms, id=one, owner=owner, micro=0, turn="in line")
            # Its turn, and now it fits, if what is held still does: a raise may be over.
            assert now.granted == (self.terms.soft or before.available_micro >= 0)
        self.check_thresholds(self.store.settle(self.terms, id=one, micro=0, unknown=False))

    @rule(change=st.sampled_from(["window", "calendar", "soft", "limit"]))
    def other_terms(self, change: str) -> None:
        """Whatever another budget of this name says, it is refused and changes nothing."""
        other = {
            "window": replace(self.terms, window_s=61.0 if self.terms.window_s != 61.0 else None),
            "calendar": replace(
                self.terms,
                calendar=CalendarWindow("day") if self.terms.calendar != CalendarWindow("day") else None,
            ),
            "soft": replace(self.terms, soft=not self.terms.soft),
            "limit": replace(self.terms, limit_micro=self.terms.limit_micro + 1),
        }[change]
        self.store.standing(self.terms)
        with pytest.raises(TermsDifferError):
            self.store.reserve(other, id=f"t{next(self.names)}", owner="a", micro=0)

    @rule(micro=st.integers(0, 8))
    def settle_what_a_lost_store_knew(self, micro: int) -> None:
        """A reservation that the store has never seen: it was made before the data was lost."""
        self.sweep()
        key = f"l{next(self.names)}"
        self.check_thresholds(self.store.settle(self.terms, id=key, micro=micro, unknown=False))
        self.store.settle(self.terms, id=key, micro=micro, unknown=False)
        self.truth.bookings.append((self.clock.now, micro))
        self.truth.late_micro += micro

    @rule(seconds=st.sampled_from([0.5, 4.0, LEASE_S, 31.0, 60.0, 61.0, 700.0, 6 * 3600.0, 40 * 86_400.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(seconds=st.sampled_from([4.0, 31.0, 700.0, 6 * 3600.0]))
    def sleep(self, seconds: float) -> None:
        """The machine sleeps with all its owners: windows go on, leases do not."""
        self.clock.now += seconds
        self.clock.asleep_s += seconds

    @precondition(lambda self: self.terms.calendar is None)  # those are the wall clock's by their nature
    @rule(seconds=st.sampled_from([-400 * 86_400.0, -3600.0, -2.0, 2.0, 61.0, 3600.0, 400 * 86_400.0]))
    def set_the_wall_clock(self, seconds: float) -> None:
        """By a person, by NTP: no window and no lease moves."""
        self.clock.set_by_s += seconds

    @invariant()
    def is_right(self) -> None:
        if not hasattr(self, "store"):
            return
        self.sweep()
        standing = self.store.standing(self.terms)
        assert standing.reserved_micro == sum(held.micro for held in self.truth.held.values())
        exact = self.spent_exactly()
        assert standing.limit_micro == self.limit()
        calendar = self.terms.calendar
        assert standing.window_end_s == (None if calendar is None else calendar.bounds(self.clock.now)[1])
        if self.terms.window_s is None:
            assert standing.spent_micro == exact
        else:
            # Never forgotten early, and late by at most one piece of the window.
            self.clock.now -= self.terms.grain_s
            at_most = self.spent_exactly()
            self.clock.now += self.terms.grain_s
            assert exact <= standing.spent_micro <= at_most
        if not self.terms.soft:
            # Only the late figures of owners that were slow, not dead, can stand above the limit.
            assert exact + standing.reserved_micro <= self.truth.highest_micro + self.truth.late_micro


class MemoryMachine(BudgetMachine):
    def make_store(self, clock: Clock) -> BudgetStore:
        return MemoryStore(clock=clock)


@pytest.fixture
def sqlite_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def run(machine: Any, examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            derandomize=True,
        ),
    )


def test_memory() -> None:
    run(MemoryMachine, 150)


def test_sqlite(sqlite_folder: Path) -> None:
    names = iter(range(1_000_000))

    class Machine(BudgetMachine):
        def make_store(self, clock: Clock) -> BudgetStore:
            return SqliteStore(sqlite_folder / "budget.sqlite", name=f"b{next(names)}", clock=clock)

        def teardown(self) -> None:
            if hasattr(self, "store"):
                self.store.close()

    run(Machine, 40)


def test_redis(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    names = iter(range(1_000_000))

    class Machine(BudgetMachine):
        def make_store(self, clock: Clock) -> BudgetStore:
            return RedisStore(client, name=f"b{next(names)}", clock=clock)

    run(Machine, 60)
    client.close()
