"""Stores of budgets for the tests; ``redis_kit`` has the Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from budget_kit import Stores
from redis_kit import needed, redis_server, redis_url

from aivideoapi_core._stores.budget_memory import MemoryStore
from aivideoapi_core._stores.budget_redis import RedisStore
from aivideoapi_core._stores.budget_sqlite import SqliteStore
from aivideoapi_core._stores.budget_terms import BudgetStore

__all__ = ["redis_server", "redis_url"]  # fixtures


@pytest.fixture
def browser() -> str:
    """The path of a headless browser."""
    return needed("chromium", "chromium")


@pytest.fixture(params=["memory", "sqlite", "redis"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """Stores of one budget, seen from machines with clocks of their own; in memory there is one."""
    made: list[BudgetStore] = []

    def store(clock: Any) -> BudgetStore:
        if request.param == "memory":
            made.append(made[0] if made else MemoryStore(clock=clock))
        elif request.param == "sqlite":
            made.append(SqliteStore(tmp_path / "b.sqlite", clock=clock))
        else:
            made.append(RedisStore(request.getfixturevalue("redis_url"), clock=clock))
        return made[-1]

    yield store
    for each in made:
        each.close()
