"""The estimate of a call's cost, before it is made and without any I/O: a range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aivideoapi_core._catalogue.amounts import Credits
from aivideoapi_core._catalogue.prices import ModelPrices, prices_of
from aivideoapi_core._constructor_errors import with_known_arguments
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.worst_case import (
    least_input_tokens,
    max_input_tokens,
    max_output_tokens,
    may_write_cache,
    worst_case,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsEstimate:
    """From ``low`` (the input alone, counted low) to ``high`` (the worst case, which a budget reserves).

    ``None``: no price is known, or nothing bounds the call. Tokens likewise.
    """

    model: str
    low: Credits | None
    high: Credits | None
    least_input_tokens: int
    max_input_tokens: int | None
    max_output_tokens: int | None

    def __str__(self) -> str:
        low, high = ("unknown" if end is None else f"{end.as_decimal():f}" for end in (self.low, self.high))
        return f"{self.model}: {low} to {high} credits"

    def to_dict(self) -> dict[str, Any]:
        """As JSON; microcredits as integers, unknown as null."""
        return {
            "model": self.model,
            "low_micro": None if self.low is None else self.low.micro,
            "high_micro": None if self.high is None else self.high.micro,
            "least_input_tokens": self.least_input_tokens,
            "max_input_tokens": self.max_input_tokens,
            "max_output_tokens": self.max_output_tokens,
        }


@with_known_arguments
def estimate_credits(payload: Mapping[str, Any], *, prices: ModelPrices | None = None) -> CreditsEstimate:
    """The range for one call with ``payload`` (from ``build_payload``), at ``prices`` or the published ones."""
    if not isinstance(payload, Mapping) or not {"model", "messages"} <= payload.keys():
        raise InvalidInputError(
            "an estimate is of a request's body with model and messages, as build_payload makes it"
        )
    if prices is not None and not isinstance(prices, ModelPrices):
        raise InvalidInputError(f"prices must be ModelPrices, not {type(prices).__name__}")
    model = str(payload["model"])
    prices = prices or prices_of(model)
    least, most = least_input_tokens(payload), max_input_tokens(payload)
    if most is not None:  # what is beyond the model's window is refused, and not billed
        least = min(least, most)
    low = None
    if prices is not None:
        cheapest = prices.input
        if prices.cache_read is not None and may_write_cache(payload):
            cheapest = min(cheapest, prices.cache_read)
        low = Credits(least * cheapest)
    worst = worst_case(payload, prices)
    return CreditsEstimate(
        model=model,
        low=low,
        high=None if worst.micro is None else Credits(worst.micro),
        least_input_tokens=least,
        max_input_tokens=most,
        max_output_tokens=max_output_tokens(payload),
    )
