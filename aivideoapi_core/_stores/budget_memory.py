"""A budget's store in this process."""

from __future__ import annotations

import threading
from typing import Any

from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._stores.budget_clock import Clock, machine_clock, read
from aivideoapi_core._stores.budget_rules import BudgetState
from aivideoapi_core._stores.budget_terms import Standing, Terms, Turn


class MemoryStore:
    """State of one budget in this process. Copies share it; a forked child goes on with a copy of its own."""

    blocking = False
    shared = False

    def __init__(self, *, clock: Clock = machine_clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state = BudgetState()
        renew_in_child(self, MemoryStore._begin_in_child)

    def _begin_in_child(self) -> None:
        self._lock = threading.Lock()
        self._state.forget_calls()

    def reserve(
        self,
        terms: Terms,
        *,
        id: str,
        owner: str,
        micro: int,
        turn: Turn = "at once",
    ) -> Standing:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.reserve(terms, read(self._clock), id=id, owner=owner, micro=micro, turn=turn)

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.settle(terms, read(self._clock), id=id, micro=micro, unknown=unknown)

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.renew(terms, read(self._clock), owner=owner)

    def standing(self, terms: Terms) -> Standing:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.standing(terms, read(self._clock))

    def set_limit(self, terms: Terms, *, limit_micro: int) -> Standing:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.set_limit(terms, read(self._clock), limit_micro=limit_micro)

    def look(self) -> tuple[Terms, Standing] | None:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.look(read(self._clock))

    def raise_until(
        self, terms: Terms, *, limit_micro: int, for_s: float | None = None, at_s: float | None = None
    ) -> Standing:
        """See ``BudgetStore``."""
        with self._lock:
            return self._state.raise_until(
                terms, read(self._clock), limit_micro=limit_micro, for_s=for_s, at_s=at_s
            )

    def named(self, name: str) -> MemoryStore:
        """The store of another budget in the same place."""
        return MemoryStore(clock=self._clock)

    def close(self) -> None:
        """Nothing to let go of."""

    def __reduce__(self) -> Any:
        raise TypeError(
            "a budget in memory cannot go to another process: give it store='budget.sqlite' or a Redis URL"
        )
