"""Models of both routes at the sandbox, for the tests of ChatAIVideoAPI."""

from __future__ import annotations

from typing import Any

from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
ROUTES = [NATIVE, DIRECT]
KEY = "sk-sandbox-0000"
FIVE = {"type": "ephemeral"}


def model_at(sandbox: Sandbox, model_id: str = DIRECT, **fields: Any) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(
        model=model_id, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0, **fields
    )
