"""One answered call: the message and the facts about its transport and its money."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Self, TypeVar, overload

from aivideoapi_core._catalogue.amounts import Credits, charged, parse_reported
from aivideoapi_core._catalogue.prices import ModelPrices, cost_of, prices_of
from aivideoapi_core._catalogue.tokens import TokenCounts, read_usage
from aivideoapi_core._received import Message


def new_call_id() -> str:
    """An id that no other call anywhere has: 32 hexadecimal digits, in the order of time."""
    # From the system's entropy: a counter would go on with the same number in every forked child.
    return f"{time.time_ns():016x}{os.urandom(8).hex()}"


_T = TypeVar("_T")


class _once(Generic[_T]):  # noqa: N801 - used as ``functools.cached_property`` is
    """``functools.cached_property`` without the lock that it has on Python 3.11: one for all objects, and in a
    process forked while another thread had it nobody would let go of it.
    """

    def __init__(self, work: Callable[[Any], _T]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: object, kind: type) -> _T: ...
    def __get__(self, owner: object | None, kind: type) -> Self | _T:
        """Work it out; from then on it is an attribute of ``owner``, which is found first."""
        if owner is None:
            return self
        value = vars(owner)[self._work.__name__] = self._work(owner)
        return value


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
    max_tokens_sent: int | None = None
    """The ``max_tokens`` that went out in place of what was asked for, where a budget lowered it."""
    call_id: str = field(default_factory=new_call_id, compare=False)
    """Ours, and of this one call: ids of messages are the server's, and some relays give every message the same."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the message itself does not say: ``attempts``, and where there are such ``max_tokens_sent`` and ``request_id``."""
        facts: dict[str, Any] = {"attempts": self.attempts}
        if self.max_tokens_sent is not None:
            facts["max_tokens_sent"] = self.max_tokens_sent
        if self.request_id is not None:
            facts["request_id"] = self.request_id
        return facts

    @_once
    def tokens(self) -> TokenCounts | None:
        """The token counts, or ``None`` if the reply does not state them."""
        return read_usage(self.message["usage"])

    @_once
    def credits_reported(self) -> Decimal | None:
        """What the platform says was charged, in credits, as sent."""
        return parse_reported(self.message.get("credits_consumed"))

    @_once
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
