"""What several tests of LangChain's adapter use."""

from __future__ import annotations

from typing import Any

import pytest

from aivideoapi_core.sandbox import Sandbox


@pytest.fixture
def anything() -> Any:
    """A sandbox that takes any body, for fields it has no opinion on."""
    with Sandbox(validate=False) as server:
        yield server
