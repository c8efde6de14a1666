"""pytest fixtures for testing an application without a key.

``aivideoapi_sandbox`` is a fresh, running ``Sandbox``; a test that leaves something of its script unused
fails (``reset()`` at its end says that this is meant). ``aivideoapi_sandbox_env`` is the same one,
with ``AIVIDEOAPI_API_KEY`` and ``AIVIDEOAPI_BASE_URL`` pointing at it for the length of the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aivideoapi_core.sandbox import Sandbox


@pytest.fixture
def aivideoapi_sandbox() -> Iterator[Sandbox]:
    """A running sandbox with a full balance and no script, closed after the test."""
    # Imported here: pytest loads plugins at start-up, in every project that has this package.
    from aivideoapi_core.sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox
        unused = sandbox.unused
    if unused:
        pytest.fail(f"scripted, but never asked for: {', '.join(map(repr, unused))}"[:2000], pytrace=False)


@pytest.fixture
def aivideoapi_sandbox_env(aivideoapi_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The same sandbox; models made without a key or a base URL find it through the environment."""
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", aivideoapi_sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", aivideoapi_sandbox.url)
    return aivideoapi_sandbox
