"""Models of both routes that talk to the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aivideoapi_core.sandbox import Sandbox
from llamaindex_aivideoapi import AIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"


@pytest.fixture(params=[NATIVE, DIRECT], ids=["native", "direct"])
def model(request: pytest.FixtureRequest) -> str:
    """A model id of each route."""
    return str(request.param)


@pytest.fixture
def make_llm(sandbox: Sandbox) -> Callable[..., AIVideoAPI]:
    """A model at the sandbox; keywords are its settings."""

    def make(model: str = NATIVE, **settings: Any) -> AIVideoAPI:
        return AIVideoAPI(model=model, **{"api_key": sandbox.api_key, "base_url": sandbox.url, **settings})

    return make


@pytest.fixture
def llm(make_llm: Callable[..., AIVideoAPI], model: str) -> AIVideoAPI:
    """A model of each route at the sandbox."""
    return make_llm(model)


@pytest.fixture
def thinking_of() -> Callable[[str], Any]:
    """What switches thinking on for a model id."""
    return lambda model: {"type": "adaptive"} if model.endswith("/anthropic") else True


@pytest.fixture
def budget_of() -> Callable[[str], Any]:
    """The same of the kind that excludes a forced tool call."""
    return lambda model: {"type": "enabled", "budget_tokens": 2048} if model.endswith("/anthropic") else True
