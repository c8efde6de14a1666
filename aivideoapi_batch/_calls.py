"""The call that a job makes for each row: the protocol, and a user's own function as one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from aivideoapi_batch._models import OfModels, facts_of
from aivideoapi_core import InvalidInputError

if TYPE_CHECKING:
    from aivideoapi_core import CreditBudget, CreditsEstimate, JointBudget, SpendLedger

Row: TypeAlias = Mapping[str, Any]


class RowCall(Protocol):
    """One call for each row. ``prompt_call`` and ``transform_call`` make them.

    ``facts`` are what changes the answers (model, prompt, schema, settings), for the fingerprint.
    """

    @property
    def facts(self) -> Mapping[str, Any]:
        """What changes the answers."""

    @property
    def budget(self) -> CreditBudget | JointBudget | None:
        """The budget of the model, all of them as one, if it has any."""

    @property
    def ledger(self) -> SpendLedger | None:
        """The ledger of the model, if it has one."""

    async def answer(self, row: Row) -> Any:
        """The answer for ``row``, JSON-ready or made of pydantic models. Raises ``BadRowError``."""

    def estimate(self, row: Row) -> CreditsEstimate | None:
        """What the call for ``row`` will cost; ``None`` if nobody can say. No I/O. Raises ``BadRowError``."""

    def key(self) -> str | None:
        """A key that would travel with a pickle of this call; ``None`` if there is none."""


class FunctionCall(OfModels):
    """A function of the user's as a ``RowCall``. A synchronous one runs in a thread."""

    def __init__(self, function: Callable[[Row], Any | Awaitable[Any]]) -> None:
        self._function = self.made_of = function
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - its colour is asked for
        )

    @property
    def facts(self) -> Mapping[str, Any]:
        """The function's name, and the models that it has: what it does cannot be seen."""
        kind = self._function if hasattr(self._function, "__qualname__") else type(self._function)
        return {
            "function": f"{kind.__module__}.{kind.__qualname__}",
            **({"models": [facts_of(model) for model in self.models]} if self.models else {}),
        }

    async def answer(self, row: Row) -> Any:
        """See ``RowCall``."""
        if self._is_async:
            return await self._function(row)
        return await in_thread(self._function, row)

    def estimate(self, row: Row) -> None:
        """Nobody can say."""


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function`` returns. What means something else to coroutines comes as ``RuntimeError``: whoever waits for
    the thread would wait for ever, or be closed.
    """

    def called() -> Any:
        try:
            return function(*arguments)
        except (StopIteration, GeneratorExit) as error:
            raise RuntimeError(type(error).__name__) from error

    return await asyncio.to_thread(called)


def as_call(call: Any) -> RowCall:
    """``call`` as a ``RowCall``; raises ``InvalidInputError`` with the remedy for a bare model."""
    if all(hasattr(call, name) for name in ("facts", "answer", "estimate")):
        return call  # type: ignore[no-any-return]  # checked by its methods, as protocols are
    if any(hasattr(call, name) for name in ("ainvoke", "acomplete", "acall")):
        raise InvalidInputError(
            f"a {type(call).__name__} is not a call yet: wrap it in prompt_call(...) or transform_call(...)"
        )
    if callable(call):
        return FunctionCall(call)
    raise InvalidInputError(
        f"call must be made by prompt_call or transform_call, or be a function, not {call!r}"
    )
