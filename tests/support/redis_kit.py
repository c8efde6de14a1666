"""A real Redis for the tests that need one: started once on a free loopback port, emptied for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

_databases = itertools.cycle(range(16))


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
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
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
    """URL of an empty database. Its last user was sixteen tests ago: leases of the last test may still be renewed."""
    url = redis_server.removesuffix("/0") + f"/{next(_databases)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
