"""What the tests of batch jobs share: time without waiting, rows and results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel

from aivideoapi_batch import BatchJob, RowResult

Make = Callable[..., BatchJob]
HAIKU: Final = "claude-haiku-4-5/anthropic"


class FakeClock:
    """Time that passes when somebody waits, and at no other moment."""

    def __init__(self) -> None:
        self.time_s = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time_s

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        until = self.time_s + delay_s
        await asyncio.sleep(0)
        self.time_s = max(self.time_s, until)


def rows_of(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{number}", "text": f"Row {number}"} for number in range(count)]


class City(BaseModel):
    city: str


def by_id(results: list[RowResult]) -> dict[str | None, RowResult]:
    assert len({result.id for result in results}) == len(results)
    return {result.id: result for result in results}
