"""One answered call: the message and the facts about its transport and its money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from aivideoapi_core._catalogue.amounts import Credits, charged, parse_reported
from aivideoapi_core._catalogue.prices import ModelPrices, cost_of, prices_of
from aivideoapi_core._catalogue.tokens import TokenCounts, read_usage
from aivideoapi_core._received import Message


@dataclass(frozen=True)
class Reply:
    """A message with what the platform and we say about its cost.

    ``model`` is the **requested** id, by which prices are looked up. ``attempts`` counts the
    requests made, the successful one included. Figures are worked out once, however many ask.
    """

    message: Message
    model: str
    request_id: str | None = None
    attempts: int = 1
    prices: ModelPrices | None = None
    """Prices that replace the published ones, for ids that have none."""
    given_prices: Mapping[str, ModelPrices] | None = None
    """The same for other models that may be at work in the call, by id."""

    @cached_property
    def tokens(self) -> TokenCounts | None:
        """The token counts, or ``None`` if the reply does not state them."""
        return read_usage(self.message["usage"])

    @cached_property
    def credits_reported(self) -> Decimal | None:
        """What the platform says was charged, in credits, as sent."""
        return parse_reported(self.message.get("credits_consumed"))

    @cached_property
    def credits_computed(self) -> Credits | None:
        """The exact cost by the published prices, or ``None`` if it cannot be known."""
        tokens, prices = self.tokens, self.prices or prices_of(self.model)
        if tokens is None or prices is None:
            return None
        return cost_of(tokens, prices, requested=self.model, given=self.given_prices)

    @property
    def charged(self) -> Decimal | None:
        """Credits that were charged: the reported figure, else the computed one, else ``None``."""
        return charged(self.credits_reported, self.credits_computed)
