"""Clients of the user's own, caches, rate limits and balances of a ChatAIVideoAPI."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.load import dumps
from langchain_core.messages import (
    AIMessage,
)
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_kit import ROUTES, model_at

from aivideoapi_core import Balance
from aivideoapi_core.sandbox import Sandbox


def test_injected_clients(sandbox: Sandbox) -> None:
    with httpx.Client(headers={"x-mine": "1"}) as client:
        model = model_at(sandbox, http_client=client)
        model.invoke("x")
        assert sandbox.requests[-1].headers["x-mine"] == "1"
        copied = copy.deepcopy(model)
        assert copied.http_client is client
        assert copied.invoke("x").text
        with pytest.raises(pickle.PicklingError, match="http_client"):
            pickle.dumps(model)
        assert "Client" not in dumps(model)
        model.close()
        assert not client.is_closed


async def test_injected_async_clients(sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(headers={"x-mine": "1"}) as client:
        model = model_at(sandbox, http_async_client=client)
        await model.ainvoke("x")
        assert sandbox.requests[-1].headers["x-mine"] == "1"
        await model.aclose()
        assert not client.is_closed


async def test_closing_and_going_on(sandbox: Sandbox) -> None:
    model = model_at(sandbox)
    for _ in range(2):
        assert model.invoke("x").text
        assert (await model.ainvoke("x")).text
        model.close()
        await model.aclose()


async def test_balance(sandbox: Sandbox) -> None:
    model = model_at(sandbox)
    assert isinstance(model.credits(), Balance)
    assert model.credits() == await model.acredits()


@pytest.mark.parametrize("model_id", ROUTES)
async def test_a_cache_hit_costs_no_credits(sandbox: Sandbox, model_id: str) -> None:
    model = model_at(sandbox, model_id, cache=InMemoryCache())
    with get_usage_metadata_callback() as counted:
        first = model.invoke("x")
        second = model.invoke("x")
        third = await model.ainvoke("x")
    assert len(sandbox.requests) == 1
    cost = first.usage_metadata["credits_consumed_micro"]
    assert cost == sandbox.charged_micro
    for hit in (second, third):
        usage: Any = hit.usage_metadata
        assert usage["credits_consumed_micro"] == 0
        assert usage["input_tokens"] == first.usage_metadata["input_tokens"]
        assert "credits_consumed" not in hit.response_metadata
        assert hit.response_metadata["cache_hit"] is True
        assert hit.content == first.content
    (total,) = counted.usage_metadata.values()
    assert total["credits_consumed_micro"] == cost


def test_the_cache_knows_every_setting(sandbox: Sandbox) -> None:
    cache = InMemoryCache()
    for fields in (
        {},
        {"temperature": 0.5},
        {"thinking": {"type": "adaptive"}},
        {"effort": "low"},
        {"max_tokens": 9},
    ):
        model_at(sandbox, cache=cache, **fields).invoke("x")
    model_at(sandbox, cache=cache).invoke("x", temperature=0.25)
    assert len(sandbox.requests) == 6


def test_the_rate_limiter_is_asked(sandbox: Sandbox) -> None:
    limiter = InMemoryRateLimiter(requests_per_second=1000, max_bucket_size=1)
    asked: list[bool] = []

    class Counting(InMemoryRateLimiter):
        def acquire(self, *, blocking: bool = True) -> bool:
            asked.append(blocking)
            return limiter.acquire(blocking=blocking)

    model = model_at(sandbox, rate_limiter=Counting(requests_per_second=1000, max_bucket_size=1))
    model.invoke("x")
    list(model.stream("x"))
    copy.deepcopy(model).invoke("x")
    assert len(asked) == 3


def test_streaming_under_invoke(sandbox: Sandbox) -> None:
    message = model_at(sandbox, streaming=True).invoke("x")
    assert type(message) is AIMessage
    assert sandbox.requests[-1].body["stream"] is True
    model_at(sandbox, disable_streaming=True).invoke("x")
    assert sandbox.requests[-1].body["stream"] is False
