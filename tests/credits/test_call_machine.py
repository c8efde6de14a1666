"""Calls against a model of their own: dropped for the collector, interrupted, with stores that come and go; the
collector runs inside the locks, at points that hypothesis picks."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from aivideoapi_core import (
    BudgetExceededError,
    BudgetStoreError,
    CallRecord,
    CreditBudget,
    InvalidInputError,
    Outcome,
    SpendLedger,
    build_payload,
    track_spend,
    use_budget,
    worst_case,
)
from aivideoapi_core._catalogue.prices import prices_of
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._metering.metering import Metering
from aivideoapi_core._stores.budget_memory import MemoryStore

MODEL = "claude-sonnet-4-6"
BODY = build_payload(MODEL, [{"role": "user", "content": "hi"}], stream=True, max_tokens=100)
WORST = worst_case(BODY, prices_of(MODEL)).micro or 0
ROOM = 7


class Lock:
    """A lock inside which the collector comes, if it was asked for."""

    def __init__(self) -> None:
        self.collects = False
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        if self.collects:
            gc.collect()

    def __exit__(self, *_: object) -> None:
        if self.collects:
            gc.collect()
        self._lock.release()


class Store(MemoryStore):
    """Can be away, and can be interrupted right before or behind a booking."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()
        self._lock = self.lock  # type: ignore[assignment]  # with what a lock has here
        self.is_away = False
        self.interrupts: str | None = None

    def reserve(self, *args: Any, **kwargs: Any) -> Any:
        if self.is_away:
            raise ConnectionError("away")
        return super().reserve(*args, **kwargs)

    def settle(self, *args: Any, **kwargs: Any) -> Any:
        when, self.interrupts = self.interrupts, None
        if when == "before":
            raise KeyboardInterrupt
        if self.is_away:
            raise ConnectionError("away")
        booked = super().settle(*args, **kwargs)
        if when == "behind":
            raise KeyboardInterrupt
        return booked


class Book:
    """A ledger's store that can be away."""

    blocking = True

    def __init__(self) -> None:
        self.rows: dict[str | None, CallRecord] = {}
        self.is_away = False

    def append(self, record: CallRecord) -> None:
        if self.is_away:
            raise ConnectionError("away")
        self.rows.setdefault(record.call_id, record)

    def records(self) -> Iterator[CallRecord]:
        return iter(list(self.rows.values()))

    def close(self) -> None:
        pass


class Cycle:
    """Something that only the collector can free."""

    def __init__(self, held: Any) -> None:
        self.held = held
        self.itself = self


class CallMachine(RuleBasedStateMachine):
    """Begins calls, ends them in every way, and drops them."""

    calls: Bundle[int] = Bundle("calls")  # by number: hypothesis keeps what is in a bundle

    @initialize()
    def begin(self) -> None:
        gc.freeze()  # else each collection looks at all that was made before
        self.store, self.outer_store, self.book = Store(), Store(), Book()
        limit = str(WORST * ROOM / 1_000_000)
        self.budget = CreditBudget(limit, store=self.store, wait_s=0)
        self.outer = CreditBudget(10_000, store=self.outer_store, wait_s=0)
        self.ledger = SpendLedger(self.book)
        self.heard: list[CallRecord] = []
        self.meters: dict[int, CallMeter] = {}
        self.begun = self.lost = self.failed = self.refused = 0
        self.tracking = track_spend()
        self.tracker = self.tracking.__enter__()

    def teardown(self) -> None:
        if hasattr(self, "tracking"):
            self.tracking.__exit__(None, None, None)
            gc.collect()
            DROPPED.do()

    @rule(target=calls)
    def call(self) -> Any:
        metering = Metering(budget=self.budget, ledger=self.ledger, on_call=self.heard.append)
        with use_budget(self.outer):
            meter = CallMeter(metering, BODY)
        try:
            meter.__enter__()
        except BudgetExceededError:
            assert len(self.meters) + self.lost >= ROOM
            self.refused += 1
            return multiple()
        except BudgetStoreError:
            assert self.store.is_away or self.outer_store.is_away
            return multiple()
        self.begun += 1
        self.meters[self.begun] = meter
        return self.begun

    @rule(call=consumes(calls), when=st.sampled_from([None, "before", "behind"]))
    def end(self, call: int, when: str | None) -> None:
        """Left without an answer, perhaps with Ctrl-C in the middle of the booking."""
        self.store.interrupts = when
        meter = self.meters.pop(call)
        try:
            meter.finish(None)
        except KeyboardInterrupt:
            assert when is not None
        finally:
            self.store.interrupts = None
        meter.finish(None)
        self.lost += 1

    @rule(call=consumes(calls))
    def fail(self, call: int) -> None:
        self.meters.pop(call).finish(InvalidInputError("before anything was sent"))
        self.failed += 1

    @rule(call=consumes(calls))
    def drop(self, call: int) -> None:
        Cycle(self.meters.pop(call))
        self.lost += 1

    @rule(inside=st.booleans())
    def collect(self, inside: bool) -> None:
        """Now, or inside every lock from now on."""
        self.store.lock.collects = self.outer_store.lock.collects = inside
        gc.collect()

    @rule(which=st.sampled_from(["store", "outer_store", "book"]), is_away=st.booleans())
    def lose(self, which: str, is_away: bool) -> None:
        getattr(self, which).is_away = is_away

    @rule()
    def look(self) -> None:
        """All are back, and nothing is left to the collector: every book says the same."""
        self.store.is_away = self.outer_store.is_away = self.book.is_away = False
        gc.collect()
        DROPPED.do()
        for budget in (self.budget, self.outer):
            standing = budget.standing()
            assert standing.reserved_micro == len(self.meters) * WORST
            assert standing.spent_micro == standing.unknown_micro == self.lost * WORST
        rows = [row.outcome for row in self.ledger.records()]
        assert [rows.count(one) for one in (Outcome.LOST, Outcome.FAILED, Outcome.REFUSED)] == [
            self.lost,
            self.failed,
            self.refused,
        ]
        assert len(self.heard) == len(rows)
        summary = self.tracker.summary
        assert (summary.calls, summary.failed, summary.refused) == (self.lost, self.failed, self.refused)

    @invariant()
    def is_below_the_limit(self) -> None:
        if hasattr(self, "budget"):
            standing = self.store.standing(self.budget._purse.terms)
            assert standing.spent_micro + standing.reserved_micro <= ROOM * WORST


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_calls() -> None:
    gc.collect()
    try:
        run_state_machine_as_test(
            CallMachine,  # type: ignore[arg-type]  # as in test_budget_machine
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
                derandomize=True,
            ),
        )
    finally:
        gc.unfreeze()
        gc.collect()  # what the test made and left
        gc.freeze()
