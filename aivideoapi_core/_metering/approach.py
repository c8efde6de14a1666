"""``Approach``: one call of an agent that may have to be its last, for both frameworks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aivideoapi_core._errors import BudgetExceededError
from aivideoapi_core._metering.landing import Landing, Runway, Standing

_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class Approach(ABC):
    """When a call is the last one, and how often it is tried. The framework says what it would send.

    Each method gives ``None`` if the run may go on, else what ``call`` gives for the last call. ``call`` is made again,
    for less, where its budget refuses it: others may have spent in the meantime.
    """

    runway: Runway
    tool_result_tokens: int
    """Bytes of tool results that may come before the landing."""

    @abstractmethod
    def payload(self, *, with_tools: bool) -> Mapping[str, Any]:
        """What the call would send as it was asked for, or as the last one but for its line."""

    def last_call(self, call: Callable[[Landing], _T]) -> _T | None:
        """The last call, whole."""
        landing = self._landing(self.runway.standing())
        while landing is not None:
            try:
                return call(landing)
            except BudgetExceededError as error:
                landing = landing.tighter(error)
        return None

    async def alast_call(self, call: Callable[[Landing], Awaitable[_T]]) -> _T | None:
        """The asynchronous twin of ``last_call``."""
        landing = self._landing(await self.runway.astanding())
        while landing is not None:
            try:
                return await call(landing)
            except BudgetExceededError as error:
                landing = landing.tighter(error)
        return None

    def last_stream(self, call: Callable[[Landing], Iterator[_T]]) -> Iterator[_T] | None:
        """The last call, streamed."""
        landing = self._landing(self.runway.standing())
        return None if landing is None else _streamed(landing, call)

    async def alast_stream(
        self, call: Callable[[Landing], Awaitable[AsyncIterator[_T]]]
    ) -> AsyncIterator[_T] | None:
        """The asynchronous twin of ``last_stream``."""
        landing = self._landing(await self.runway.astanding())
        return None if landing is None else _astreamed(landing, call)

    def _landing(self, standing: Standing) -> Landing | None:
        payload = self.payload(with_tools=True)
        if not self.runway.must_land(payload, standing, tool_result_tokens=self.tool_result_tokens):
            return None
        return self.runway.landing(self.payload(with_tools=False), standing)


def _streamed(landing: Landing, call: Callable[[Landing], Iterator[_T]]) -> Iterator[_T]:
    while True:
        try:
            yield from call(landing)
        except BudgetExceededError as error:  # before the first item
            landing = landing.tighter(error)
        else:
            return


async def _astreamed(
    landing: Landing, call: Callable[[Landing], Awaitable[AsyncIterator[_T]]]
) -> AsyncIterator[_T]:
    while True:
        try:
            async for item in await call(landing):
                yield item
        except BudgetExceededError as error:  # before the first item
            landing = landing.tighter(error)
        else:
            return
