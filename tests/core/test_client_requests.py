"""What the clients send, and to where; what they refuse to send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from client_kit import Caller, both_ways, call_sync
from core_kit import DIRECT, NATIVE, ROUTES, payload

from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    AuthenticationError,
    Balance,
    InvalidInputError,
    MessagesClient,
    ResponseFormatError,
)
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

both_routes = pytest.mark.parametrize("model", ROUTES, ids=["native", "direct"])


@both_ways
@both_routes
def test_what_is_sent(sandbox: Sandbox, call: Caller, stream: bool, model: str) -> None:
    reply = call(payload(model, stream=stream), default_headers={"X-Team": "a"})
    (request,) = sandbox.requests
    assert (request.method, request.path, request.body) == (
        "POST",
        "/v1/messages",
        payload(model, stream=stream),
    )
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer ***"
    assert request.headers["accept"] == ("text/event-stream" if stream else "application/json")
    assert request.headers["x-team"] == "a"
    assert request.headers["user-agent"].startswith("aivideoapi-adapters/")
    assert "anthropic-version" not in request.headers
    assert "x-api-key" not in request.headers
    assert reply.attempts == 1
    assert reply.request_id == sandbox.ledger[0].request_id
    assert reply.credits_computed is not None
    assert reply.credits_computed.micro == sandbox.charged_micro
    assert reply.credits_reported == sandbox.ledger[0].credits_reported


@both_ways
@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/messages"])
def test_every_form_of_the_base_url(sandbox: Sandbox, call: Caller, suffix: str, stream: bool) -> None:
    call(payload(stream=stream), base_url=sandbox.url + suffix)
    assert [request.path for request in sandbox.requests] == ["/v1/messages"]


@both_ways
def test_log_lines(sandbox: Sandbox, call: Caller, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="aivideoapi")
    sandbox.enqueue(Fault.error("internal_error", message="do not log this"), Reply("nor this"))
    call(payload(stream=stream))
    sandbox.enqueue(Fault.cut(4))
    with pytest.raises(AIVideoAPIError):
        call(payload(stream=stream))
    lines = [record.getMessage() for record in caplog.records if record.name == "aivideoapi"]
    ids = [entry.request_id for entry in sandbox.ledger]
    assert lines[:2] == [
        f"attempt 1 failed, next in 0.00 s: InternalServerError 500 internal_error {ids[0]}",
        f"attempt 2 succeeded (request {ids[1]})",
    ]
    assert len(lines) == 3
    assert lines[2].startswith("attempt 1 ")
    assert "this" not in "".join(lines)
    assert "capital" not in "".join(lines)


def test_balance(sandbox: Sandbox) -> None:
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        assert client.credits() == Balance(10_000, 10_000, 0)
        client.create(payload())
        assert client.credits().total_consumed == 1

    async def ask() -> Balance:
        async with AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
            return await client.credits()

    assert asyncio.run(ask()) == Balance(9_999, 10_000, 1)


@pytest.mark.parametrize(
    ("body", "cls"),
    [
        (
            {
                "code": 200,
                "msg": "success",
                "data": {"balance": 1, "total_purchased": 2, "total_consumed": 3},
            },
            None,
        ),
        ({"code": 401, "msg": "no", "data": None}, AuthenticationError),
        ({"code": 200, "msg": "success", "data": None}, ResponseFormatError),
        ({"code": 200, "msg": "success", "data": {"balance": 1}}, ResponseFormatError),
        (
            {"code": 200, "data": {"balance": "x", "total_purchased": 1, "total_consumed": 1}},
            ResponseFormatError,
        ),
        ([1], ResponseFormatError),
    ],
)
def test_balance_bodies(body: Any, cls: type[AIVideoAPIError] | None) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
    client = MessagesClient(api_key="sk-test", http_client=httpx.Client(transport=transport))
    if cls is None:
        assert client.credits() == Balance(1, 2, 3)
    else:
        with pytest.raises(cls):
            client.credits()


def test_nothing_is_sent_that_is_too_large(sandbox: Sandbox, call: Caller) -> None:
    body = payload() | {"system": "x" * (32 * 1024 * 1024)}
    with pytest.raises(InvalidInputError, match="bytes"):
        call(body)
    with pytest.raises(InvalidInputError, match="JSON"):
        call(payload() | {"temperature": float("nan")})
    with pytest.raises(InvalidInputError, match="JSON"):
        call(payload() | {"metadata": {"user": object()}})
    with pytest.raises(InvalidInputError, match="JSON"):
        call(payload() | {"metadata": {"user_id": "half \ud83d"}, "stop_sequences": [object()]})
    assert sandbox.requests == []


def test_text_that_looks_like_a_number_is_no_number(call: Caller) -> None:
    assert call(payload() | {"system": "NaN and Infinity"}).attempts == 1


@pytest.fixture
def broken_headers() -> Iterator[httpx.Client]:
    with httpx.Client(headers=[(b"x-bad", b"a\r\nb: c")]) as client:
        yield client


@both_ways
def test_headers_of_the_callers_client_that_cannot_be_sent(
    sandbox: Sandbox, broken_headers: httpx.Client, stream: bool
) -> None:
    with pytest.raises(InvalidInputError, match="check the headers"):
        call_sync(sandbox, payload(stream=stream), http_client=broken_headers)
    assert sandbox.requests == []


def test_the_native_route_is_told_not_to_stream(sandbox: Sandbox, call: Caller) -> None:
    call(payload(NATIVE))
    call(payload(DIRECT, stream=True))
    assert [request.body["stream"] for request in sandbox.requests] == [False, True]
