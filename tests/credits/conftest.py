"""A real Redis for the tests that need one: started once on a free loopback port, emptied for each test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from budget_kit import Stores
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from aivideoapi_core._stores.budget_memory import MemoryStore
from aivideoapi_core._stores.budget_redis import RedisStore
from aivideoapi_core._stores.budget_sqlite import SqliteStore
from aivideoapi_core._stores.budget_terms import BudgetStore


def needed(program: str, package: str) -> str:
    """The path of ``program``; without it the test says what to install, and fails in CI."""
    path = shutil.which(program)
    if path is None:
        reason = f"this test needs {program}: apt-get install {package}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Redis of our own."""
    program = needed("redis-server", "redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("redis")
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(folder),
    ]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)  # noqa: S603 - our own arguments
    url = f"redis://127.0.0.1:{port}/0"
    patient = Retry(ConstantBackoff(0.05), 200)
    client = redis.Redis.from_url(url, retry=patient, retry_on_error=[redis.ConnectionError])
    try:
        client.ping()
        yield url
    finally:
        client.close()
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """URL of an empty Redis."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


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
