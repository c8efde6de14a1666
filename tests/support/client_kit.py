"""One call of a client at the sandbox, in each colour and on each engine."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import httpx
import pytest

from aivideoapi_core import (
    AsyncMessagesClient,
    MessagesClient,
    RetryPolicy,
)
from aivideoapi_core import Reply as CoreReply
from aivideoapi_core._http.engines import ENGINE_ENV
from aivideoapi_core.sandbox import Sandbox

AT_ONCE = RetryPolicy(first_wait_s=0.0)
SHORT = httpx.Timeout(5.0, read=0.3)


class Caller(Protocol):
    """One colour of the client behind one interface: whole or streamed, each gives the reply."""

    def __call__(self, body: dict[str, Any], **settings: Any) -> CoreReply: ...


def call_sync(sandbox: Sandbox, body: dict[str, Any], **settings: Any) -> CoreReply:
    with MessagesClient(
        **{"api_key": sandbox.api_key, "base_url": sandbox.url, "retry": AT_ONCE} | settings
    ) as client:
        if not body["stream"]:
            return client.create(body)
        with client.stream(body) as stream:
            for _ in stream:
                pass
        return stream.reply


def call_async(sandbox: Sandbox, body: dict[str, Any], **settings: Any) -> CoreReply:
    async def call() -> CoreReply:
        settings_ = {"api_key": sandbox.api_key, "base_url": sandbox.url, "retry": AT_ONCE} | settings
        async with AsyncMessagesClient(**settings_) as client:
            if not body["stream"]:
                return await client.create(body)
            async with client.stream(body) as stream:
                async for _ in stream:
                    pass
            return stream.reply

    return asyncio.run(call())


@pytest.fixture(
    params=[(call_sync, "auto"), (call_async, "httpx"), (call_async, "aiohttp")],
    ids=["sync", "async", "async, aiohttp"],
)
def call(request: pytest.FixtureRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Calls the sandbox in one colour, on one engine."""
    call, engine = request.param
    monkeypatch.setenv(ENGINE_ENV, engine)
    return lambda body, **settings: call(sandbox, body, **settings)


both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
