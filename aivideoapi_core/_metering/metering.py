"""The metering of one client: budget, ledger, prices, tags; and what the meter needs of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from aivideoapi_core._catalogue.prices import ModelPrices, prices_of
from aivideoapi_core._metering.attribution import NOBODY, Attribution, current_attribution
from aivideoapi_core._metering.budgets import Budget, Budgets, current_budgets, joined
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._metering.tags import current_spend_tags

Tags: TypeAlias = Sequence[str] | Callable[[], Sequence[str]]


class Ledger(Protocol):
    """What the meter needs of a ledger. ``SpendLedger`` is one."""

    def append(self, record: CallRecord) -> None:
        """Write one row. Does not raise for a broken store.

        After an interruption it is called again with the same record (the same object).
        """

    def append_at_once(self, record: CallRecord) -> bool:
        """``append`` without waiting, for event loops; ``False`` if that cannot be, then nothing was done."""


class Handover:
    """Whether the request that is being made was handed to a socket: before that, nothing can be billed."""

    __slots__ = ("began",)

    def __init__(self) -> None:
        self.began = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """What hangs on every call of one client.

    ``prices`` replace the published ones by model id. ``tags`` are put on every record, or asked
    for at the start of each call, and so is ``attribution``. ``on_call`` gets the record of each call once it is over.
    """

    budget: Budget | None = None
    ledger: Ledger | None = None
    prices: Mapping[str, ModelPrices] = field(default_factory=dict)
    tags: Tags = ()
    attribution: Callable[[], Attribution] | None = None
    framework: str | None = None
    on_call: Callable[[CallRecord], None] | None = None

    @property
    def is_heard(self) -> bool:
        """Whether anything waits for records."""
        return self.budget is not None or self.ledger is not None or self.on_call is not None

    def prices_of(self, model: str) -> ModelPrices | None:
        """The caller's prices for ``model``, else the published ones."""
        return self.prices.get(model) or prices_of(model)

    def current_tags(self) -> tuple[str, ...]:
        """The client's tags and those of the enclosing ``spend_tags``."""
        own = self.tags() if callable(self.tags) else self.tags
        return (*own, *current_spend_tags())

    def current_attribution(self, told: Attribution) -> Attribution:
        """What the enclosing ``spend_for`` says, then what the call is ``told``, then what the client knows."""
        own = NOBODY if self.attribution is None else self.attribution()
        return current_attribution().over(told).over(own)


UNMETERED: Final = Metering()


def budget_of(own: Budget | None, given: Budgets) -> Budget | None:
    """All that a call is booked on. Those named last and nearest first: they are the narrowest."""
    around = current_budgets()
    return joined((given, around, own)) if around or given is not None else own
