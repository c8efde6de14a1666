"""The balance of an account, for ``CreditBudget.from_balance``: told by a client, a model, or a client made for it."""

from __future__ import annotations

import inspect
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol, runtime_checkable

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._inbound.balance import Balance


class HasBalance(Protocol):
    """A client or model."""

    def credits(self) -> Balance: ...


class HasAsyncBalance(Protocol):
    """An ``AsyncMessagesClient``."""

    async def credits(self) -> Balance: ...


@runtime_checkable
class HasModelBalance(Protocol):
    """A model, whose ``credits`` waits."""

    async def acredits(self) -> Balance: ...


def balance_of(source: HasBalance | Balance | None) -> Balance:
    """The balance that ``source`` tells, or a client made from the environment."""
    if source is None:
        from aivideoapi_core._http.client import MessagesClient  # not before it is needed

        with MessagesClient() as client:
            return client.credits()
    if isinstance(source, Balance):
        return source
    _check_source(source)
    if inspect.iscoroutinefunction(source.credits):
        raise InvalidInputError(
            "an asynchronous client is waited for: await CreditBudget.afrom_balance(client)"
        )
    return source.credits()


async def abalance_of(source: HasAsyncBalance | HasModelBalance | None) -> Balance:
    """The asynchronous twin of ``balance_of``."""
    if source is None:
        from aivideoapi_core._http.async_client import AsyncMessagesClient

        async with AsyncMessagesClient() as client:
            return await client.credits()
    _check_source(source)
    ask = source.acredits if isinstance(source, HasModelBalance) else source.credits
    answer: Any = ask()
    if not inspect.isawaitable(answer):
        raise InvalidInputError(
            "a synchronous client is not waited for: CreditBudget.from_balance(client), or give an AsyncMessagesClient"
        )
    balance: Balance = await answer
    return balance


def _check_source(source: object) -> None:
    if not hasattr(source, "credits"):
        raise InvalidInputError(f"a balance is told by a client, a model or a Balance, not by {source!r}")


def share_of(share: float | str | Decimal) -> Decimal:
    """``share`` as a number. Raises ``InvalidInputError`` for none between 0 and 1."""
    try:
        part = Decimal(str(share))
        if isinstance(share, bool) or not 0 < part <= 1:
            raise InvalidOperation
    except InvalidOperation:
        raise InvalidInputError(f"share must be more than 0 and at most 1, not {share!r}") from None
    return part


def part_of(balance: Balance, share: Decimal) -> Decimal:
    """``share`` of it in credits."""
    return max(balance.balance, 0) * share
