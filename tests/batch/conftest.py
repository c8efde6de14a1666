"""A clock without waiting, and a job over the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batch_kit import HAIKU, FakeClock
from redis_kit import redis_server, redis_url

from aivideoapi_batch import BatchJob, Pace, prompt_call
from aivideoapi_core.sandbox import Sandbox

__all__ = ["redis_server", "redis_url"]  # fixtures


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["langchain", "llamaindex"])
def model(request: pytest.FixtureRequest, sandbox: Sandbox) -> Callable[..., Any]:
    """Makes a model of one framework over the sandbox."""

    def make(**settings: Any) -> Any:
        settings = {
            "model": HAIKU,
            "api_key": sandbox.api_key,
            "base_url": sandbox.url,
            "max_tokens": 50,
        } | settings
        if request.param == "langchain":
            from langchain_aivideoapi import ChatAIVideoAPI

            return ChatAIVideoAPI(**settings)
        from llamaindex_aivideoapi import AIVideoAPI

        return AIVideoAPI(**settings)

    return make


@pytest.fixture
def job(model: Callable[..., Any], clock: FakeClock, tmp_path: Path) -> Callable[..., BatchJob]:
    """Makes a job whose rows say their ``text``; ``model`` settings by name, the job's in ``options``."""

    def make(journal: str = "out", options: dict[str, Any] | None = None, **settings: Any) -> BatchJob:
        chosen = {"name": "echo", "journal": tmp_path / journal, "concurrency": 8, "pace": Pace(clock=clock)}
        return BatchJob(prompt_call(model(**settings), "Say {text}"), **(chosen | (options or {})))

    return make
