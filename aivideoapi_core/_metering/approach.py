"""``Approach``: one call of an agent that may have to be its last, for both frameworks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aivideoapi_core._errors import BudgetExceededError
from aivideoapi_core._metering.landing import Landing, Runway, Standing

_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class Approach(ABC):
    """When a call is the last one, and how often it is tried. The framework says what it would send.

    Each method makes the call with ``send``: as it was asked for (``None``) while the run may go on, else as the last one
    with its ``Landing``. It is made again, for less, where its budget refuses it: others may have spent in the meantime.
    """

    runway: Runway | None
    """``None`` without a budget: no call is the last one."""
    tool_result_tokens: int
    """Bytes of tool results that may come before the landing."""

    @abstractmethod
    def payload(self, *, with_tools: bool) -> Mapping[str, Any]:
        """What the call would send as it was asked for, or as the last one but for its line."""

    @abstractmethod
    def landed(self, reply: Any, /) -> Any:
        """The last reply without calls that nobody may make any more."""

    def call(self, send: Callable[[Landing | None], _T]) -> _T:
        """The call, whole."""
        landing = None if self.runway is None else self._landing(self.runway, self.runway.standing())
        while landing is not None:
            try:
                return self.landed(send(landing))  # type: ignore[no-any-return]  # the framework's own
            except BudgetExceededError as error:
                landing = landing.tighter(error)
        return send(None)

    async def acall(self, send: Callable[[Landing | None], Awaitable[_T]]) -> _T:
        """The asynchronous twin of ``call``."""
        landing = None if self.runway is None else self._landing(self.runway, await self.runway.astanding())
        while landing is not None:
            try:
                return self.landed(await send(landing))  # type: ignore[no-any-return]  # the framework's own
            except BudgetExceededError as error:
                landing = landing.tighter(error)
        return await send(None)

    def stream(
        self, send: Callable[[Landing | None], Generator[_T, None, None]]
    ) -> Generator[_T, None, None]:
        """The call, streamed."""
        landing = None if self.runway is None else self._landing(self.runway, self.runway.standing())
        return send(None) if landing is None else self._streamed(landing, send)

    async def astream(
        self, send: Callable[[Landing | None], Awaitable[AsyncGenerator[_T, None]]]
    ) -> AsyncGenerator[_T, None]:
        """The asynchronous twin of ``stream``."""
        landing = None if self.runway is None else self._landing(self.runway, await self.runway.astanding())
        return await send(None) if landing is None else self._astreamed(landing, send)

    def _landing(self, runway: Runway, standing: Standing) -> Landing | None:
        payload = self.payload(with_tools=True)
        if not runway.must_land(payload, standing, tool_result_tokens=self.tool_result_tokens):
            return None
        return runway.landing(self.payload(with_tools=False), standing)

    def _streamed(
        self, landing: Landing, send: Callable[[Landing], Generator[_T, None, None]]
    ) -> Generator[_T, None, None]:
        while True:
            try:
                yield from map(self.landed, send(landing))
            except BudgetExceededError as error:  # before the first item
                landing = landing.tighter(error)
            else:
                return

    async def _astreamed(
        self, landing: Landing, send: Callable[[Landing], Awaitable[AsyncGenerator[_T, None]]]
    ) -> AsyncGenerator[_T, None]:
        while True:
            try:
                async for item in await send(landing):
                    yield self.landed(item)
            except BudgetExceededError as error:  # before the first item
                landing = landing.tighter(error)
            else:
                return
