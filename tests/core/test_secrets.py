"""A canary key: wherever our code writes something down, it is not in it."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from core_kit import payload

from aivideoapi_core import AIVideoAPIError, AsyncMessagesClient, MessagesClient, RetryPolicy
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

CANARY = "sk-canary-9c1e"
OTHER_CANARY = "canary/9c1e+not=of the usual form".replace(" ", "_")
ECHO = "you sent {key}, is that right?"

FAULTS = [
    pytest.param(Fault.error("invalid_api_key", message=ECHO), id="error"),
    pytest.param(Fault.error("internal_error", message=ECHO), id="error, retried"),
    pytest.param(Fault.error("authentication_error", message=ECHO, official_shape=True), id="official error"),
    pytest.param(
        Fault.error("invalid_request", message="x" * 480 + ECHO), id="echo at the cut of an excerpt"
    ),
    pytest.param(
        Fault.error("invalid_request", message="x" * 1985 + ECHO), id="echo at the cut of a message"
    ),
    pytest.param(Fault.redirect(f"https://evil.example/?key={CANARY}"), id="redirect"),
    pytest.param(Fault.envelope(401, f"bad key {CANARY}"), id="envelope"),
    pytest.param(Fault.error_event("api_error", 3, message=f"bad key {CANARY}"), id="error event"),
    pytest.param(Fault.cut(4, reply=Reply("abc def ghi")), id="cut"),
    pytest.param(Fault.malformed(3), id="malformed"),
    pytest.param(Fault.disconnect(), id="disconnect"),
    pytest.param(Fault.stall(3), id="stall"),
    pytest.param(Fault.truncated_gzip(), id="gzip"),
    pytest.param(Fault.html(502), id="HTML"),
    pytest.param(Fault.out_of_order("start_twice"), id="out of order"),
]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that was logged, by anyone, at DEBUG."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "aivideoapi", "asyncio", "hpack"):
        caplog.set_level(logging.DEBUG, logger=name)
    return lambda: "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


def call(sandbox: Sandbox, key: str, *, stream: bool) -> None:
    settings: dict[str, Any] = {
        "retry": RetryPolicy(first_wait_s=0.0, max_retries=1),
        "timeout": httpx.Timeout(5, read=0.2),
    }
    with MessagesClient(api_key=key, base_url=sandbox.url, **settings) as client:
        if not stream:
            client.create(payload())
            return
        with client.stream(payload(stream=True)) as events:
            for _ in events:
                pass


def call_async(sandbox: Sandbox, key: str, *, stream: bool) -> None:
    async def run() -> None:
        settings: dict[str, Any] = {
            "retry": RetryPolicy(first_wait_s=0.0, max_retries=1),
            "timeout": httpx.Timeout(5, read=0.2),
        }
        async with AsyncMessagesClient(api_key=key, base_url=sandbox.url, **settings) as client:
            if not stream:
                await client.create(payload())
                return
            async with client.stream(payload(stream=True)) as events:
                async for _ in events:
                    pass

    asyncio.run(run())


def shown(error: BaseException) -> str:
    """All that may be written down of an error, with the local variables of our own frames."""
    exception = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines = ["".join(exception.format_exception_only())]
    seen: list[traceback.TracebackException | None] = [exception]
    while seen:
        current = seen.pop()
        if current is None:
            continue
        seen += [current.__cause__, current.__context__]
        lines += [
            str(frame.locals)
            for frame in current.stack
            if "aivideoapi" in frame.filename and "/sandbox/" not in frame.filename
        ]
    facts = [repr(error), str(error), repr(error.__dict__), repr(getattr(error, "response", None))]
    copies = [repr(pickle.dumps(error)), repr(copy.deepcopy(error).__dict__)]
    return "\n".join([*lines, *facts, *copies])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("make_call", [call, call_async], ids=["sync", "async"])
def test_errors_and_logs(
    sandbox: Sandbox, logged: Callable[[], str], fault: Fault, stream: bool, make_call: Callable[..., None]
) -> None:
    sandbox.enqueue(fault, fault)
    try:
        make_call(sandbox, CANARY, stream=stream)
    except AIVideoAPIError as error:
        text = shown(error)
        assert "canary" not in text, text[max(0, text.index("canary") - 300) :][:600]
    if fault.kind != "redirect":  # httpcore itself logs the headers of replies
        assert "canary" not in logged()
    if make_call is call:  # asynchronous calls may go another way than over httpcore, which logs nothing
        assert "send_request_headers" in logged(), "the log of httpcore was looked at"


@pytest.mark.parametrize("key", [CANARY, OTHER_CANARY])
@pytest.mark.parametrize(
    "where", ["message", "code", "type", "request_id", "header", "data", "html", "event"]
)
def test_echoes(key: str, where: str, logged: Callable[[], str]) -> None:
    """A server that echoes the key, in every field that an error keeps."""
    error: dict[str, Any] = {"message": "no", "code": "new_code", "type": "new_type"}
    body: dict[str, Any] = {"error": error, "request_id": "r"}
    headers = {}
    if where in error:
        error[where] = key
    elif where == "header":
        headers = {"request-id": key, "x-request-id": key}
    else:
        body[where] = key
    content = json.dumps(body).encode()
    if where == "html":
        content = f"<html>{key}</html>".encode()
    if where == "event":
        content = f"event: error\ndata: {json.dumps(error | {'message': key})}\n\n".encode()
    status = 200 if where == "event" else 418
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=content, headers=headers))
    client = MessagesClient(
        api_key=key, base_url="https://proxy.example", http_client=httpx.Client(transport=transport)
    )
    with pytest.raises(AIVideoAPIError) as caught, client.stream(payload(stream=True)) as events:
        list(events)
    assert "canary" not in shown(caught.value)
    assert "canary" not in logged()


@pytest.mark.parametrize("cls", [MessagesClient, AsyncMessagesClient])
def test_objects(cls: type[MessagesClient] | type[AsyncMessagesClient], sandbox: Sandbox) -> None:
    client = cls(api_key=CANARY, base_url=sandbox.url)
    stream = client.stream(payload(stream=True))
    for thing in (client, stream, client.__dict__, stream.__dict__, vars(client)):
        assert "canary" not in f"{thing!r} {thing!s}"


def test_what_the_sandbox_keeps(sandbox: Sandbox) -> None:
    call(sandbox, CANARY, stream=False)
    assert "canary" not in f"{sandbox.requests!r} {sandbox.ledger!r}"
    assert sandbox.requests[0].key_was_sent


def test_the_key_goes_to_the_configured_origin_only(sandbox: Sandbox) -> None:
    seen: list[str] = []

    def spy(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.url.scheme}://{request.url.host}")
        return httpx.Response(307, headers={"location": "https://evil.example/v1/messages"})

    http = httpx.Client(
        transport=httpx.MockTransport(spy), follow_redirects=True, base_url="https://elsewhere.example"
    )
    client = MessagesClient(api_key=CANARY, base_url="https://proxy.example/v1", http_client=http)
    with pytest.raises(AIVideoAPIError, match="redirects"):
        client.create(payload())
    assert seen == ["https://proxy.example"]
