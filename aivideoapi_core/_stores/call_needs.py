"""The needs of one budget's calls: what each reserves, how much less where it is tight, what their cost teaches. Pure."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from typing import Final

from aivideoapi_core._errors import BudgetExceededError
from aivideoapi_core._metering.quick_records import quick
from aivideoapi_core._metering.worst_case import WorstCase
from aivideoapi_core._stores.budget_refusals import cannot_be_bounded, in_credits, no_room
from aivideoapi_core._stores.budget_terms import Standing, Terms
from aivideoapi_core._stores.tight import ObservedBound, Shrinking

logger = logging.getLogger("aivideoapi")


@dataclass(frozen=True, slots=True)
class Reservation:
    """Microcredits put aside for one call of ``model``; ``excess_micro`` of them above its bound."""

    id: str
    micro: int
    model: str = ""
    excess_micro: int = 0
    max_tokens: int | None = None
    """What the call is to be sent with, if there is no room for as many as it asked for."""


_new_reservation: Final = quick(Reservation)


class CallNeeds:
    """Microcredits for the calls of the budget ``name``: their worst case, and more for models whose calls cost more."""

    def __init__(self, name: str, shrinking: Shrinking | None, observed: ObservedBound | None) -> None:
        self._name = name
        self._shrinking = shrinking
        self._observed = observed
        self._excess_micro: dict[str, int] = {}
        """By model, the most that a call cost above its bound."""

    def whole(self, model: str, worst: WorstCase, terms: Terms) -> Reservation:
        """What to ask for first. Raises ``BudgetExceededError`` for a call that nothing bounds."""
        if worst.micro is None and not terms.soft:
            raise cannot_be_bounded(model, worst, terms, name=self._name)
        if self._observed is not None:
            worst = self._observed.applied(model, worst)
        excess_micro = self._excess_micro.get(model, 0)
        return _new_reservation(
            id=os.urandom(8).hex(),
            micro=(worst.micro or 0) + excess_micro,
            model=model,
            excess_micro=excess_micro,
        )

    def less(
        self, asked: Reservation, worst: WorstCase, standing: Standing, *, is_last: bool
    ) -> Reservation | None:
        """What to ask for instead, if there is no room for ``asked``; ``None``: nothing less.

        As long as there is a point in waiting, the whole is waited for. ``is_last``: the store is asked no more.
        """
        if self._shrinking is None or standing.granted or (standing.waits and not is_last):
            return None
        if self._observed is not None:
            worst = self._observed.applied(asked.model, worst)
        taken_micro = standing.spent_micro + (standing.reserved_micro if is_last else 0)
        lowered = self._shrinking.fitting(worst, standing.limit_micro - taken_micro - asked.excess_micro)
        if lowered is None or lowered.micro is None or lowered.micro + asked.excess_micro >= asked.micro:
            return None
        return replace(asked, micro=lowered.micro + asked.excess_micro, max_tokens=lowered.output)

    def refusal(
        self,
        asked: Reservation,
        worst: WorstCase,
        standing: Standing,
        terms: Terms,
        *,
        owner: str,
        waited_s: float,
    ) -> BudgetExceededError:
        """What a call is told that got no room."""
        needed_micro, too_tight = asked.micro, ""
        if self._shrinking is not None:
            too_tight = self._shrinking.why_not_lower(worst)
            worst = self._shrinking.least_worst(worst)
            needed_micro = min(needed_micro, (worst.micro or 0) + asked.excess_micro)
        return no_room(
            asked.model,
            worst,
            standing,
            name=self._name,
            needed_micro=needed_micro,
            too_tight=too_tight,
            excess_micro=asked.excess_micro,
            waited_s=waited_s,
            owner=owner,
            terms=terms,
        )

    def observe(self, model: str, worst: WorstCase, input_tokens: int) -> None:
        """Note how many input tokens a call of ``model`` really had, for ``bound="observed"``."""
        if self._observed is not None:
            self._observed.observe(model, worst, input_tokens)

    def learn(self, reservation: Reservation, micro: int, *, unknown: bool) -> None:
        """Reserve more from now on, if a call cost more than was reserved for it."""
        if unknown or micro <= reservation.micro:
            return
        excess_micro = micro - (reservation.micro - reservation.excess_micro)
        self._excess_micro[reservation.model] = max(
            excess_micro, self._excess_micro.get(reservation.model, 0)
        )
        logger.warning(
            "budget %r: a call of %r cost %s credits, more than the %s reserved for it, so its worst case was none; "
            "%s credits more are reserved for its calls from now on",
            self._name,
            reservation.model,
            in_credits(micro),
            in_credits(reservation.micro),
            in_credits(excess_micro),
        )
