"""The ids that somebody may have meant, and where they are told."""

from __future__ import annotations

import asyncio

import pytest

from aivideoapi_core import (
    AsyncMessagesClient,
    MessagesClient,
    ModelNotFoundError,
    build_payload,
    error_from_payload,
)
from aivideoapi_core._catalogue.nearest import nearest_models
from aivideoapi_core.sandbox import Sandbox

SONNET = ["claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("anthropic/claude-sonnet-4-6", SONNET),
        ("aivideoapi:claude-sonnet-4-6", SONNET),
        ("claude-sonnet-4.6", SONNET),
        ("claude-sonnet-4-6-20260217", SONNET),
        ("claude-sonnet-4-6-latest", SONNET),
        ("us.anthropic.claude-sonnet-4-6-20260217-v1:0", SONNET),
        ("Claude-Sonnet-4-6", SONNET),
        ("claude-4-6-sonnet", SONNET),
        ("sonnet", SONNET),
        ("Claude Sonnet 4.6", SONNET),
        ("claude-sonnet-4.6/anthropic", [*reversed(SONNET)]),
        ("claude-sonnet-4-5", ["claude-sonnet-4-5/anthropic"]),
        ("haiku", ["claude-haiku-4-5/anthropic"]),
        ("claude-opus-4.7", ["claude-opus-4-7/anthropic"]),
        ("claude-3-5-sonnet-20241022", SONNET),
        ("claude-sonnet-4-6", []),
        ("gpt-4o", []),
    ],
)
def test_nearest_models(typed: str, meant: list[str]) -> None:
    assert nearest_models(typed) == meant


@pytest.mark.parametrize(
    ("status", "type_", "message", "is_advised"),
    [
        (404, "not_found_error", "model: claude-sonnet-4.6", True),
        (400, "invalid_request_error", "claude-sonnet-4.6 is not supported", True),
        (400, "invalid_request_error", "messages: at least one", False),
    ],
)
def test_what_is_said_of_the_model_elsewhere(status: int, type_: str, message: str, is_advised: bool) -> None:
    body = {"type": "error", "error": {"type": type_, "message": message}}
    error = error_from_payload(body, status_code=status, model="claude-sonnet-4.6")
    assert ("did you mean 'claude-sonnet-4-6'" in str(error)) is is_advised


@pytest.mark.parametrize("stream", [False, True])
def test_a_404_says_what_was_meant(sandbox: Sandbox, stream: bool) -> None:
    payload = build_payload("claude-sonnet-4.6", [{"role": "user", "content": "x"}], stream=stream)
    client = MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url)

    def ask() -> None:
        if stream:
            with client.stream(payload) as events:
                list(events)
        else:
            client.create(payload)

    with pytest.raises(ModelNotFoundError, match="did you mean 'claude-sonnet-4-6'"):
        ask()

    async def run() -> None:
        other = AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url)
        if stream:
            async with other.stream(payload) as events:
                [event async for event in events]
        else:
            await other.create(payload)

    with pytest.raises(ModelNotFoundError, match="did you mean 'claude-sonnet-4-6'"):
        asyncio.run(run())
