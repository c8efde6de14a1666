"""Several budgets as one: a call is booked on all of them, or on none."""

from __future__ import annotations

import asyncio
import functools
import logging
import operator
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aivideoapi_core._errors import BudgetExceededError, InvalidInputError
from aivideoapi_core._metering.budgets import AS_TEXT
from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._metering.worst_case import WorstCase
from aivideoapi_core._stores.budget_terms import Standing
from aivideoapi_core._stores.wait_line import FIRST_PAUSE_S, LONGEST_PAUSE_S, Patience

if TYPE_CHECKING:
    from aivideoapi_core._stores.budget_stored import StoredBudget
    from aivideoapi_core._stores.call_needs import Reservation

logger = logging.getLogger("aivideoapi")


class JointBudget:
    """Budgets that a call has to fit all of them: of a user, a team and a company, say. Held all or none.

    A refusal is that of the first one without room, which ``BudgetExceededError.budget`` names. Settled
    is each by itself, so that a store that is away keeps no other from its figure.

    **Waiting.** All are asked at once. If one has no room but for running calls, the rest is given back
    and the call waits for that one, in its line, holding nothing meanwhile: so no two calls can wait
    for each other, and nobody waits for what a waiting call holds. When its turn has come, it has the
    room of the others for the asking, whoever waits there; if one of them has none, it waits for that
    one. No call waits longer than ``wait_s`` of the budget that refuses it, from its beginning on.
    """

    __pydantic_serializer__ = AS_TEXT

    def __init__(self, budgets: Sequence[StoredBudget | JointBudget]) -> None:
        """``budgets``: narrow ones first, as those refuse most often. Joint ones count as their members."""
        each: dict[Any, StoredBudget] = {}
        for budget in listed(budgets):
            if isinstance(budget, type) or not hasattr(budget, "joined"):
                raise InvalidInputError(
                    f"budgets that are held together are CreditBudgets, such as CreditBudget(10), not {budget!r}"
                )
            for member in budget.budgets if isinstance(budget, JointBudget) else (budget,):
                each.setdefault(member.key, member)
        self.budgets: tuple[StoredBudget, ...] = tuple(each.values())
        if not self.budgets:
            raise InvalidInputError(
                "no budget at all holds nothing: give one or more, JointBudget([CreditBudget(10)])"
            )

    @property
    def limit_micro(self) -> int:
        """The least of the limits, in microcredits."""
        return min(budget.limit_micro for budget in self.budgets)

    def joined(self, others: Sequence[StoredBudget | JointBudget]) -> JointBudget:
        """These and ``others``, each once."""
        return JointBudget((self, *listed(others)))

    def for_agent(self, agent: str) -> JointBudget:
        """What a call of ``agent`` has to fit: these, and what limits of its own they have for it."""
        budgets: list[Any] = [budget.for_agent(agent) for budget in self.budgets]  # each one or joint ones
        return self if all(map(operator.is_, budgets, self.budgets)) else JointBudget(budgets)

    def standing(self) -> Standing:
        """How that one stands which has the least left. Raises as ``CreditBudget.standing`` does."""
        return self.tightest()

    async def astanding(self) -> Standing:
        """The asynchronous twin of ``standing``."""
        return await self.atightest()

    def tightest(self) -> Standing:
        """How that one of all stands which has the least left."""
        return _tightest([budget.standing() for budget in self.budgets])

    async def atightest(self) -> Standing:
        """The asynchronous twin of ``tightest``."""
        return _tightest([await budget.astanding() for budget in self.budgets])

    def hold(self, model: str, worst: WorstCase) -> Held:
        """Reserve ``worst`` on each. Raises as ``CreditBudget.hold`` does; nothing stays reserved then."""
        rounds = _Rounds(self.budgets)
        while True:
            held = Held(worst)
            try:
                for budget, patience in rounds.questions():
                    part = held.part(budget)
                    part.reservation = budget.hold(model, held.worst, patience=patience)
                    held.lower_to(part.reservation.max_tokens)
            except BaseException as error:
                held.give_back(error)
                pause_s = rounds.pause_s(error)
                if pause_s is None:
                    raise
            else:
                return held
            time.sleep(pause_s)

    async def ahold(self, model: str, worst: WorstCase) -> Held:
        """The asynchronous twin of ``hold``; a cancelled one leaves nothing reserved."""
        rounds = _Rounds(self.budgets)
        while True:
            held = Held(worst)
            try:
                for budget, patience in rounds.questions():
                    part = held.part(budget)
                    part.reservation = await budget.ahold(model, held.worst, patience=patience)
                    held.lower_to(part.reservation.max_tokens)
            except BaseException as error:
                held.give_back(error)
                pause_s = rounds.pause_s(error)
                if pause_s is None:
                    raise
            else:
                return held
            await asyncio.sleep(pause_s)

    def settle(self, reservation: Held, micro: int | None, *, unknown: bool = False) -> None:
        """Book ``micro`` on each. What one of them raises is logged, and the next gets its figure."""
        for part, own in reservation.open_parts():
            try:
                part.budget.settle(own, micro, unknown=unknown)
            except Exception as error:  # noqa: BLE001 - of one of them; the others' books count as much
                logger.error("settling on budget %r failed (%s)", part.budget.name, type(error).__name__)
            part.is_settled = True

    def settle_at_once(self, reservation: Held, micro: int | None, *, unknown: bool = False) -> bool:
        """``settle`` without waiting; ``False`` if one of them has to wait, which ``settle`` then does."""
        for part, own in reservation.open_parts():
            try:
                part.is_settled = part.budget.settle_at_once(own, micro, unknown=unknown)
            except Exception as error:  # noqa: BLE001 - ``settle`` tries again, and says what is wrong
                logger.debug(
                    "budget %r could not settle at once (%s)", part.budget.name, type(error).__name__
                )
        return not reservation.open_parts()

    def settling(
        self, reservation: Held, micro: int | None, *, unknown: bool, done: Callable[[], None]
    ) -> list[Entry]:
        """``settle`` as entries of those whose stores are places for that. ``done`` is called once all are booked."""

        def settled(part: _Part) -> None:
            part.is_settled = True
            if not reservation.open_parts():
                done()

        return [
            entry
            for part, own in reservation.open_parts()
            for entry in part.budget.settling(
                own, micro, unknown=unknown, done=functools.partial(settled, part)
            )
        ]

    def observe(self, model: str, worst: WorstCase, input_tokens: int) -> None:
        """See ``CreditBudget.observe``."""
        for budget in self.budgets:
            budget.observe(model, worst, input_tokens)

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
        for budget in self.budgets:
            budget.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.budgets))})"

    def __copy__(self) -> JointBudget:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> JointBudget:
        # A copied model spends from the same purse.
        return self


class _Part:
    __slots__ = ("budget", "is_settled", "reservation")

    def __init__(self, budget: StoredBudget) -> None:
        self.budget = budget
        self.reservation: Reservation | None = None
        self.is_settled = False


class Held:
    """The reservations of one call, one on each budget."""

    __slots__ = ("max_tokens", "parts", "worst")

    def __init__(self, worst: WorstCase) -> None:
        self.parts: list[_Part] = []
        self.worst = worst
        """What the next one is asked for: less, once one of them had room for no more."""
        self.max_tokens: int | None = None
        """The least that one of them lowered ``max_tokens`` to."""

    def part(self, budget: StoredBudget) -> _Part:
        """A place for one more, there before it is made: an interruption between the two would lose it."""
        self.parts.append(_Part(budget))
        return self.parts[-1]

    def lower_to(self, max_tokens: int | None) -> None:
        """One of them lowered ``max_tokens``."""
        if max_tokens is not None:
            self.max_tokens = max_tokens
            self.worst = self.worst.lowered_to(max_tokens)

    def open_parts(self) -> list[tuple[_Part, Reservation]]:
        """Those that are not settled."""
        return [
            (part, part.reservation)
            for part in self.parts
            if not (part.reservation is None or part.is_settled)
        ]

    def give_back(self, error: BaseException) -> None:
        """Another budget refused, or the call is over before it began. ``error``: with what."""
        for part, own in self.open_parts():
            part.budget.give_back(own, error)


class _Rounds:
    """Whom to ask in which round, how patiently, and whether there is another one."""

    def __init__(self, budgets: Sequence[StoredBudget]) -> None:
        now = time.monotonic()
        self._budgets = budgets
        self._until = {budget.key: now + budget.wait_s for budget in budgets}
        self._awaited: StoredBudget | None = None
        self._number = 0
        self._asked = budgets[0]

    def questions(self) -> Iterator[tuple[StoredBudget, Patience]]:
        """The budgets of this round, each with how to ask it."""
        self._number += 1
        awaited = self._awaited
        if awaited is not None:
            self._asked = awaited
            left_s = max(0.0, self._until[awaited.key] - time.monotonic())
            yield awaited, Patience(left_s, passes_line=False)
        for budget in self._budgets:
            if budget is not awaited:
                self._asked = budget
                # Whoever has waited for one of them need not wait again for the place it had before.
                is_last = time.monotonic() >= self._until[budget.key]
                yield budget, Patience(0.0, passes_line=awaited is not None, is_last=is_last)

    def pause_s(self, error: BaseException) -> float | None:
        """Seconds to sleep before the next round; ``None``: there is none."""
        asked = self._asked
        crowded = isinstance(error, BudgetExceededError) and error.crowded
        if not crowded or time.monotonic() >= self._until[asked.key]:
            return None
        self._awaited = asked
        if self._number == 1:
            return 0.0
        # Two calls that take turns in refusing each other part after a few rounds.
        longest_s: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self._number)
        return random.uniform(0.0, longest_s)  # noqa: S311 - a pause, no secret


def _tightest(standings: list[Standing]) -> Standing:
    return min(standings, key=lambda standing: standing.available_micro)


def listed(budgets: Any) -> Iterable[Any]:
    """``budgets``, if they are several. Raises ``InvalidInputError`` for one alone, which is in no list."""
    if isinstance(budgets, Iterable) and not isinstance(budgets, (str, bytes)):
        return budgets
    raise InvalidInputError(
        f"budgets that are held together are a list, [CreditBudget(10), ...], not {budgets!r}"
    )
