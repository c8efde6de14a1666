"""Fixtures that every test may use. Sockets go to the loopback address only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_socket

from aivideoapi_core.sandbox import Sandbox


def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or proxy of the machine's must not reach a test."""
    for name in ("AIVIDEOAPI_API_KEY", "AIVIDEOAPI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A fresh stand-in for the platform."""
    with Sandbox() as server:
        yield server
