"""The budgets that a call is booked on: its model's own, those of the blocks around it, and its own argument's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeAlias

from pydantic_core import SchemaSerializer, core_schema

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.blocks import Blocks
from aivideoapi_core._metering.worst_case import WorstCase


class Budget(Protocol):
    """What the meter needs of a budget. ``CreditBudget`` is one."""

    def hold(self, model: str, worst: WorstCase) -> Any:
        """Reserve the worst case. Raises ``BudgetExceededError``.

        Whatever it is left by, a ``KeyboardInterrupt`` included, it leaves nothing reserved unless it returns.
        """

    async def ahold(self, model: str, worst: WorstCase) -> Any:
        """The asynchronous twin: nothing stays reserved if it is cancelled, or if its event loop ends."""

    def settle(self, reservation: Any, micro: int | None, *, unknown: bool = False) -> None:
        """Book ``micro`` in place of the reservation; a second time does nothing. Does not raise for a broken store.

        ``unknown``: it is only a bound. ``None``: the cost is unknown and has no bound either.
        """

    def settle_at_once(self, reservation: Any, micro: int | None, *, unknown: bool = False) -> bool:
        """``settle`` without waiting, for event loops; ``False`` if that cannot be: ``settle`` does what is left."""


class JoinableBudget(Budget, Protocol):
    """A budget that can be held together with others. ``CreditBudget`` and all that is made of it are."""

    def joined(self, others: Sequence[Any]) -> Budget:
        """One budget for this and ``others``: held all or none, each of them once."""


Budgets: TypeAlias = Budget | Sequence[Any] | None
"""One budget, several (a call has to fit them all), or none."""

AS_TEXT: Final = SchemaSerializer(core_schema.any_schema(serialization=core_schema.to_string_ser_schema()))
"""How pydantic writes a budget down, as ``__pydantic_serializer__`` of its class: a budget of one call stands among the
arguments in the events of frameworks, and whoever writes those as JSON would fail."""

_BLOCKS: Final[Blocks[Budget]] = Blocks("aivideoapi_budgets")


@contextmanager
def use_budget(*budgets: Any) -> Iterator[None]:
    """A block whose calls are held to ``budgets`` too, beside those that their models have.

    For what is known late and far from the model: the user of a web request, the customer of a job.
    Each call has to fit all of them; blocks inside others add up, and one budget counts once however
    often it is named. The block reaches tasks and threads that are started inside it with the context
    (``asyncio`` tasks, ``asyncio.to_thread``, LangChain's and LlamaIndex's own), not threads without.

    Raises ``InvalidInputError`` for what is no budget. ``None`` is left out.
    """
    budget = joined(budgets)
    if budget is None:
        yield
        return
    with _BLOCKS.open(budget):
        yield


def current_budgets() -> tuple[Budget, ...]:
    """Those of the open ``use_budget`` blocks, innermost first."""
    return _BLOCKS.values()[::-1]


def joined(budgets: Budgets) -> Budget | None:
    """One budget for all of ``budgets``, which may be nested lists; ``None`` for none of them.

    Raises ``InvalidInputError`` for what is no budget, or cannot be held together with others.
    """
    each = list(_each(budgets))
    if len(each) < 2:
        return each[0] if each else None
    for budget in each:
        if not hasattr(budget, "joined"):
            raise InvalidInputError(
                f"a {type(budget).__name__} cannot be held together with other budgets; use a CreditBudget"
            )
    first: JoinableBudget = each[0]
    return first.joined(each[1:])


def _each(budgets: Any) -> Iterator[Any]:
    if budgets is None:
        return
    if not isinstance(budgets, type) and hasattr(budgets, "hold") and hasattr(budgets, "settle"):
        yield budgets
    elif isinstance(budgets, Iterable) and not isinstance(budgets, (str, bytes)):
        for budget in budgets:
            yield from _each(budget)
    else:
        raise InvalidInputError(
            "budget must be a CreditBudget, such as CreditBudget(10), or a list of them, not "
            + (f"the class {budgets.__name__}" if isinstance(budgets, type) else type(budgets).__name__)
        )
