"""``budget.run(...)``: a limit for one run of something, inside the budgets that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.budgets import use_budget
from aivideoapi_core._stores.budget_stored import StoredBudget
from aivideoapi_core._stores.budget_terms import Standing
from aivideoapi_core._stores.joint_budget import JointBudget


class BudgetRun(JointBudget):
    """One run: a limit of its own, and everything is booked on the budgets around it too.

    As a context manager, of either colour, it holds all calls inside to itself, as ``use_budget(run)`` does;
    it may also be the ``budget=`` of a model or a call. Its figures stay after the block.
    """

    def __init__(
        self,
        limit_credits: int | float | str | Decimal,
        around: StoredBudget | JointBudget,
        *,
        name: str,
        make: Callable[..., StoredBudget],
        **options: Any,
    ) -> None:
        """``make``: ``CreditBudget``; ``options`` are those of it, for the limit of the run alone."""
        self._make = make
        self._own = make(limit_credits, name=name, **options)
        super().__init__((self._own, around))
        self._block: AbstractContextManager[None] | None = None

    @property
    def name(self) -> str:
        """What refusals call it."""
        return self._own.name

    @property
    def limit_micro(self) -> int:
        """The limit of the run alone, in microcredits."""
        return self._own.limit_micro

    def run(
        self, limit_credits: int | float | str | Decimal, *, name: str | None = None, **options: Any
    ) -> BudgetRun:
        """A part of this run, such as a sub-agent's work. See ``CreditBudget.run``."""
        name = name or f"part of {self.name}"
        return BudgetRun(limit_credits, self, name=name, make=self._make, **options)

    def standing(self) -> Standing:
        """How the run alone stands. Raises as ``CreditBudget.standing`` does."""
        return self._own.standing()

    async def astanding(self) -> Standing:
        """The asynchronous twin of ``standing``."""
        return await self._own.astanding()

    def __enter__(self) -> Self:
        if self._block is not None:
            raise InvalidInputError(
                f"{self.name!r} is entered already: make one run for each, or use use_budget(run)"
            )
        block = use_budget(self)
        block.__enter__()
        self._block = block
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        block, self._block = self._block, None
        if block is not None:
            block.__exit__(None, None, None)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
