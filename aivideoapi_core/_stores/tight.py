"""Ways of a budget where room is tight, beside waiting and refusing: lower ``max_tokens``, learn a closer bound.

Pure rules; ``CreditBudget`` applies them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.worst_case import WorstCase

WhenTight = Literal["refuse", "shrink"]
Bound = Literal["worst", "observed"]

LEAST_MAX_TOKENS: Final = 1_024
"""Tokens of answer that a lowered ``max_tokens`` leaves, unless ``min_max_tokens`` says otherwise: what is shorter
is seldom an answer, and paid for all the same."""
OBSERVED_AFTER: Final = 5
"""From how many answers of a model on its closer bound counts."""
OBSERVED_MARGIN: Final = 1.25
"""What is put on the largest share of its bound that an answered call's input took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrinking:
    """How far ``max_tokens`` is lowered. Without ``min_max_tokens`` only where the caller did not set it.

    Never on the native route, whose pages do not say that it honours ``max_tokens``: a lower one would be a
    lower bound on paper. Never below what thinking takes plus the least of an answer.
    """

    min_max_tokens: int | None = None

    def least(self, worst: WorstCase) -> int | None:
        """The lowest ``max_tokens`` for this call; ``None`` if it must not be lowered."""
        lowering = worst.lowering
        if lowering is None or (self.min_max_tokens is None and not lowering.is_default):
            return None
        answer = LEAST_MAX_TOKENS if self.min_max_tokens is None else self.min_max_tokens
        return lowering.thinking + answer

    def fitting(self, worst: WorstCase, room_micro: int) -> WorstCase | None:
        """``worst`` with the most output that ``room_micro`` has room for; ``None`` if it cannot be lowered so far."""
        least = self.least(worst)
        if least is None or worst.output is None:
            return None
        output = min(worst.output, worst.output_within(room_micro))
        return worst.lowered_to(output) if output >= least else None

    def least_worst(self, worst: WorstCase) -> WorstCase:
        """The least that the call can be bounded by."""
        least = self.least(worst)
        return worst if least is None or worst.output is None else worst.lowered_to(min(least, worst.output))

    def why_not_lower(self, worst: WorstCase) -> str:
        """What a refusal says of ``max_tokens``."""
        if worst.lowering is None:
            return "max_tokens is not lowered where the route may not honour it, as the native one's pages do not say so"
        if self.least(worst) is None:
            return "your own max_tokens is lowered only with min_max_tokens="
        return f"max_tokens would have to be below {self.least(worst):,}"


def shrinking_of(when_tight: WhenTight, min_max_tokens: int | None) -> Shrinking | None:
    """The rule for a budget's arguments; ``None``: nothing is lowered. Raises ``InvalidInputError``."""
    if when_tight not in ("refuse", "shrink"):
        raise InvalidInputError(f"when_tight must be 'refuse' or 'shrink', not {when_tight!r}")
    if min_max_tokens is not None and (type(min_max_tokens) is not int or min_max_tokens < 1):
        raise InvalidInputError(
            f"min_max_tokens must be a number of tokens, 1 or more, not {min_max_tokens!r}"
        )
    if when_tight == "refuse":
        if min_max_tokens is not None:
            raise InvalidInputError(
                "min_max_tokens says how far to lower max_tokens: give when_tight='shrink' too"
            )
        return None
    return Shrinking(min_max_tokens=min_max_tokens)


class ObservedBound:
    """By model, the largest share of the bound of its input that a call really took. Of this process."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def observe(self, model: str, worst: WorstCase, input_tokens: int) -> None:
        """Note the real count of an answered call. The same call twice only counts towards ``OBSERVED_AFTER``."""
        if worst.input:
            calls, share = self._seen.get(model, (0, 0.0))
            self._seen[model] = calls + 1, max(share, input_tokens / worst.input)

    def applied(self, model: str, worst: WorstCase) -> WorstCase:
        """``worst`` with the closer bound of the input, once enough was seen of ``model``."""
        calls, share = self._seen.get(model, (0, 0.0))
        if calls < OBSERVED_AFTER or worst.input is None or worst.micro is None:
            return worst
        fewer = worst.input - min(worst.input, math.ceil(worst.input * share * OBSERVED_MARGIN))
        return replace(
            worst,
            input=worst.input - fewer,
            micro=worst.micro - fewer * worst.input_price * worst.requests,
        )


def observed_of(bound: Bound) -> ObservedBound | None:
    """What a budget's argument means; ``None``: the worst case holds. Raises ``InvalidInputError``."""
    if bound not in ("worst", "observed"):
        raise InvalidInputError(f"bound must be 'worst' or 'observed', not {bound!r}")
    return ObservedBound() if bound == "observed" else None
