"""The clients against the sandbox: what is sent, what is retried, what it costs, how each failure looks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import httpx
import pytest
from core_kit import DIRECT, NATIVE, ROUTES, payload, stream_bytes, stream_message

import aivideoapi_core._http.read_deadline as http_module
from aivideoapi_core import (
    AIVideoAPIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncMessagesClient,
    AuthenticationError,
    Balance,
    IncompleteStreamError,
    InsufficientCreditsError,
    InternalServerError,
    InvalidInputError,
    MessagesClient,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    ResponseFormatError,
    RetryPolicy,
    SpendLimitError,
    StreamError,
    StreamTimeoutError,
    UpstreamError,
)
from aivideoapi_core import Reply as CoreReply
from aivideoapi_core._http.engines import ENGINE_ENV
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

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


# fault, error, requests; the first answer after it is a good one. Nothing here may be charged twice.
RETRIED = [
    pytest.param(Fault.error("rate_limit_exceeded"), id="429 rate limit"),
    pytest.param(Fault.error("internal_error"), id="500"),
    pytest.param(Fault.error("upstream_error"), id="503"),
    pytest.param(Fault.error("overloaded_error"), id="529"),
    pytest.param(Fault.error("rate_limit_error", outer_type=False), id="official 429 without its outer type"),
    pytest.param(Fault.error(500), id="integer code"),
    pytest.param(Fault.error("timeout_error", headers={"x-should-retry": "true"}), id="x-should-retry: true"),
    pytest.param(Fault.html(502), id="HTML 502"),
    pytest.param(Fault.html(503), id="HTML 503"),
    pytest.param(Fault.empty(500), id="empty 500"),
    pytest.param(Fault.envelope(429, "slow down"), id="200 with an envelope of 429"),
    pytest.param(Fault.envelope(503, "down"), id="200 with an envelope of 503"),
    pytest.param(Fault.huge_error("internal_error"), id="huge 500"),
    pytest.param(Fault.error_event("overloaded_error", after_events=0), id="error event first of all"),
]
RETRIED_STREAMS = [
    pytest.param(Fault.disconnect(), id="disconnect"),
    pytest.param(Fault.disconnect(reset=True), id="reset"),
    pytest.param(Fault.cut(0), id="cut before the first byte"),
    pytest.param(Fault.cut(0, ending="clean"), id="empty body"),
    pytest.param(Fault.empty(200), id="empty 200"),
]


@both_ways
@pytest.mark.parametrize("fault", RETRIED)
def test_retried(sandbox: Sandbox, call: Caller, fault: Fault, stream: bool) -> None:
    sandbox.enqueue(fault, fault, Reply("Paris"))
    reply = call(payload(stream=stream))
    assert reply.message["content"] == [{"type": "text", "text": "Paris"}]
    assert (reply.attempts, len(sandbox.requests)) == (3, 3)
    assert [entry.charged for entry in sandbox.ledger] == [False, False, True]
    assert reply.credits_computed is not None
    assert reply.credits_computed.micro == sandbox.charged_micro


@pytest.mark.parametrize("fault", RETRIED_STREAMS)
def test_retried_streams(sandbox: Sandbox, call: Caller, fault: Fault) -> None:
    sandbox.enqueue(fault, Reply("Paris"))
    reply = call(payload(stream=True))
    assert (reply.attempts, len(sandbox.requests)) == (2, 2)
    assert [entry.charged for entry in sandbox.ledger] == [False, True]


@both_ways
def test_retries_end(sandbox: Sandbox, call: Caller, stream: bool) -> None:
    sandbox.enqueue(*[Fault.error("internal_error")] * 9)
    with pytest.raises(InternalServerError) as caught:
        call(payload(stream=stream))
    assert (caught.value.attempts, len(sandbox.requests)) == (3, 3)
    with pytest.raises(InternalServerError) as caught:
        call(payload(stream=stream), retry=RetryPolicy(max_retries=0))
    assert (caught.value.attempts, len(sandbox.requests)) == (1, 4)
    assert caught.value.request_id == sandbox.ledger[-1].request_id


NOT_RETRIED = [
    (Fault.error("invalid_request"), APIStatusError, 400),
    (Fault.error("invalid_api_key"), AuthenticationError, 401),
    (Fault.error("insufficient_credits"), InsufficientCreditsError, 402),
    (Fault.error("ip_not_allowed"), PermissionDeniedError, 403),
    (Fault.error("model_not_found"), APIStatusError, 404),
    (Fault.error("spend_limit_exceeded"), SpendLimitError, 429),
    (Fault.error("spend_limit_exceeded", retry_after=0), SpendLimitError, 429),
    (Fault.error("billing_error", headers={"x-should-retry": "true"}), InsufficientCreditsError, 402),
    (Fault.error("internal_error", headers={"x-should-retry": "false"}), InternalServerError, 500),
    (Fault.error("request_too_large"), APIStatusError, 413),
    (Fault.error("timeout_error"), APIStatusError, 504),
    (Fault.error("rate_limit_exceeded", retry_after=3600), RateLimitError, 429),
    (Fault.error("rate_limit_exceeded", retry_after="Fri, 31 Dec 2100 00:00:00 GMT"), RateLimitError, 429),
    (Fault.envelope(402, "insufficient credits"), InsufficientCreditsError, 402),
    (Fault.envelope(401, "bad key"), AuthenticationError, 401),
    (Fault.huge_error("spend_limit_exceeded"), SpendLimitError, 429),
    (Fault.html(200), ResponseFormatError, 200),
    (Fault.html(404), APIStatusError, 404),
    (Fault.redirect(), APIStatusError, 307),
    (Fault.redirect("https://evil.example/v1/messages", status=302), APIStatusError, 302),
]


@both_ways
@pytest.mark.parametrize(
    ("fault", "cls", "status"),
    NOT_RETRIED,
    ids=[f"{fault.kind}-{fault.code}-{status}" for fault, _, status in NOT_RETRIED],
)
def test_not_retried(
    sandbox: Sandbox, call: Caller, fault: Fault, cls: type[AIVideoAPIError], status: int, stream: bool
) -> None:
    sandbox.enqueue(fault)
    with pytest.raises(cls) as caught:
        call(payload(stream=stream))
    error = caught.value
    assert (error.status_code, error.attempts, len(sandbox.requests)) == (status, 1, 1)
    assert error.request_id == sandbox.ledger[0].request_id
    assert sandbox.charged_micro == 0
    assert len(str(error)) < 3000
    assert error.body is None or len(error.body) < 600


def test_a_redirect_is_not_followed_even_by_a_client_that_would(sandbox: Sandbox) -> None:
    with Sandbox() as elsewhere:
        sandbox.enqueue(*[Fault.redirect(f"{elsewhere.url}/v1/messages")] * 2)
        with httpx.Client(follow_redirects=True) as http, pytest.raises(APIStatusError, match="redirects to"):
            call_sync(sandbox, payload(), http_client=http)
        assert elsewhere.requests == []


# fault, error of a whole call, error of a stream, charged by the sandbox: whole, stream
BROKEN = [
    (Fault.cut(1), APIConnectionError, IncompleteStreamError),
    (Fault.cut(3), APIConnectionError, IncompleteStreamError),
    (Fault.cut(3, ending="reset"), APIConnectionError, IncompleteStreamError),
    (Fault.cut(3, ending="clean"), ResponseFormatError, IncompleteStreamError),
    (Fault.cut(after_bytes=30), APIConnectionError, IncompleteStreamError),
    (Fault.malformed(0), ResponseFormatError, StreamError),
    (Fault.malformed(3), ResponseFormatError, StreamError),
    (Fault.invalid_utf8(3), ResponseFormatError, StreamError),
    (Fault.truncated_gzip(), ResponseFormatError, IncompleteStreamError),
    (Fault.out_of_order("delta_first"), ResponseFormatError, StreamError),
    (Fault.out_of_order("unopened_block"), ResponseFormatError, StreamError),
    (Fault.out_of_order("block_after_delta"), ResponseFormatError, StreamError),
    (Fault.error_event("overloaded_error", after_events=1), None, OverloadedError),
    (Fault.error_event("overloaded_error", after_events=3), None, OverloadedError),
    (Fault.error_event("upstream_error", after_events=3, official_shape=False), None, UpstreamError),
]


@pytest.mark.parametrize(
    ("fault", "whole", "streamed"),
    BROKEN,
    ids=[
        f"{fault.kind}-{fault.variant}-{fault.after_events}-{fault.ending}-{fault.code}"
        for fault, _, _ in BROKEN
    ],
)
@both_ways
def test_broken_answers_are_not_asked_for_again(
    sandbox: Sandbox,
    call: Caller,
    fault: Fault,
    whole: type[AIVideoAPIError] | None,
    streamed: type[AIVideoAPIError],
    stream: bool,
) -> None:
    if not stream and whole is None:
        pytest.skip("a plain error response; see test_retried")
    sandbox.enqueue(fault)
    expected = streamed if stream else whole
    assert expected is not None
    with pytest.raises(expected) as caught:
        call(payload(stream=stream))
    assert (len(sandbox.requests), caught.value.attempts) == (1, 1)
    assert not caught.value.retryable
    if stream and fault.after_events > 1:
        partial = caught.value.partial
        assert partial is not None
        assert partial["id"].startswith("msg_sandbox_")
        assert caught.value.request_id == sandbox.ledger[0].request_id


@both_ways
@pytest.mark.parametrize("after", [0, 1])
def test_a_line_without_end(sandbox: Sandbox, call: Caller, stream: bool, after: int) -> None:
    sandbox.enqueue(Fault.endless_line(after, size=80 * 1024 * 1024))
    with pytest.raises(StreamError if stream else ResponseFormatError, match="more than"):
        call(payload(stream=stream))
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("after", [-1, 0, 1, 4])
@both_ways
def test_stalls(sandbox: Sandbox, call: Caller, stream: bool, after: int) -> None:
    """Whether the work was billed nobody knows, so it is not asked for again."""
    sandbox.enqueue(Fault.stall(after))
    begun = stream and after > 0
    with pytest.raises(StreamTimeoutError if begun else APITimeoutError) as caught:
        call(payload(stream=stream), timeout=SHORT)
    assert caught.value.attempts == 1
    assert len(sandbox.requests) <= 1  # on a busy machine the server has not read it by then
    assert (caught.value.partial is not None) is begun


def test_a_server_that_does_not_end_the_body(
    sandbox: Sandbox, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for is there; neither the timeout nor the silence after it is the caller's concern."""
    monkeypatch.setattr(http_module, "END_GRACE_S", 0.01)
    sandbox.enqueue(Fault.stall(1000, reply=Reply("Paris")))
    reply = call(payload(stream=True), timeout=httpx.Timeout(None))
    assert reply.message["content"] == [{"type": "text", "text": "Paris"}]


class _Talker(BaseHTTPRequestHandler):
    """Ends the message, but never stops talking."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(stream_bytes("text"))
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b": still here\n\n")

    def log_message(self, *args: Any) -> None:
        pass


def test_a_server_that_talks_on(sandbox: Sandbox, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "END_GRACE_S", 0.01)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Talker) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        reply = call(payload(stream=True), base_url=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert reply.message == stream_message("text")


def test_a_connection_is_as_patient_as_before_once_a_body_has_ended(sandbox: Sandbox) -> None:
    with httpx.Client() as http_client:
        settings = {"api_key": sandbox.api_key, "base_url": sandbox.url, "http_client": http_client}
        with MessagesClient(**settings) as client, client.stream(payload(stream=True)) as stream:
            below = stream._response.extensions["network_stream"]
            usual = below.read
            assert list(stream)
            assert below.read == usual
        assert MessagesClient(**settings).create(payload())
    assert [request.connection_id for request in sandbox.requests] == [1, 1]


def test_a_read_timeout_is_retried_by_choice(sandbox: Sandbox, call: Caller) -> None:
    sandbox.enqueue(Fault.stall(-1), Reply("Paris"))
    patient = RetryPolicy(first_wait_s=0.0, retry_read_timeouts=True)
    assert call(payload(), timeout=SHORT, retry=patient).attempts == 2


@both_ways
def test_a_disconnect_of_a_whole_call_may_be_billed(sandbox: Sandbox, call: Caller, stream: bool) -> None:
    sandbox.enqueue(Fault.disconnect())
    if stream:
        assert call(payload(stream=True)).attempts == 2
    else:
        with pytest.raises(APIConnectionError):
            call(payload())
        assert len(sandbox.requests) == 1


@both_ways
def test_refused_connections_are_retried(sandbox: Sandbox, call: Caller, stream: bool) -> None:
    with Sandbox() as closed_soon:
        url = closed_soon.url
    with pytest.raises(APIConnectionError) as caught:
        call(payload(stream=stream), base_url=url)
    assert caught.value.attempts == 3


@both_ways
@pytest.mark.parametrize("content_type", ["text/plain", "text/event-stream", "application/json", "image/png"])
def test_the_content_type_does_not_matter(
    sandbox: Sandbox, call: Caller, stream: bool, content_type: str
) -> None:
    sandbox.enqueue(Fault.wrong_content_type(content_type, reply=Reply("Paris")))
    assert call(payload(stream=stream)).message["content"] == [{"type": "text", "text": "Paris"}]


@pytest.mark.parametrize("retry_after", ["0", "0.01", "Fri, 20 Nov 1999 12:00:00 GMT"])
def test_retry_after(sandbox: Sandbox, call: Caller, retry_after: str) -> None:
    sandbox.enqueue(Fault.error("rate_limit_exceeded", retry_after=retry_after))
    # Our own wait would be beyond the ceiling; the server's is not.
    policy = RetryPolicy(first_wait_s=100.0, longest_own_wait_s=100.0, longest_wait_s=1.0)
    assert call(payload(), retry=policy).attempts == 2


def test_retry_after_of_an_envelope_counts(sandbox: Sandbox, call: Caller) -> None:
    class Slow(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"code": 429, "msg": "slow"}, headers={"retry-after": "3600"})

    with httpx.Client(transport=Slow()) as http, pytest.raises(RateLimitError) as caught:
        call_sync(sandbox, payload(), http_client=http)
    assert (caught.value.retry_after_s, caught.value.attempts) == (3600.0, 1)


@both_ways
def test_a_server_that_ignores_the_stream_flag(sandbox: Sandbox, stream: bool) -> None:
    expected = call_sync(sandbox, payload(stream=stream)).message
    whole = json.dumps(expected).encode()
    chunks = b"".join(
        b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in (
            {"type": "message_start", "message": {**expected, "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": expected["content"][0]},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": expected["usage"]},
            {"type": "message_stop"},
        )
    )
    body = whole if stream else chunks
    with httpx.Client(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    ) as http:
        assert call_sync(sandbox, payload(stream=stream), http_client=http).message == expected


@pytest.mark.parametrize(
    ("body", "cls"),
    [
        (b'data: {"error": {"code": "insufficient_credits", "message": "no"}}', InsufficientCreditsError),
        (b'\nevent: error\ndata: {"type": "error", "error": {"type": "billing_error"}}\n\n', InsufficientCreditsError),
        (b"data: no JSON\n\n", InternalServerError),
        (b'event: ping\ndata: {"type": "ping"}\n\n', InternalServerError),
    ],
)  # fmt: skip
def test_an_error_that_is_worded_as_a_stream(body: bytes, cls: type[AIVideoAPIError]) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(500, content=body))
    client = MessagesClient(
        api_key="sk-test", http_client=httpx.Client(transport=transport), retry=RetryPolicy(max_retries=0)
    )
    with pytest.raises(cls) as caught:
        client.create(payload())
    assert type(caught.value) is cls


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


async def test_events_before_the_failure_are_handed_over(sandbox: Sandbox) -> None:
    reply = Reply("one two three four five six", pieces=["one two ", "three four ", "five six"], pings=0)
    sandbox.enqueue(Fault.cut(4, reply=reply), Fault.cut(4, reply=reply))
    expected = ["message_start", "content_block_start", "content_block_delta", "content_block_delta"]
    seen: list[str] = []
    with (
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client,
        client.stream(payload(stream=True)) as stream,
    ):
        with pytest.raises(IncompleteStreamError) as caught:
            seen.extend(event["type"] for event in stream)
        with pytest.raises(IncompleteStreamError):
            _ = stream.reply
    assert caught.value.partial == stream.accumulator.partial()
    async with (
        AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as async_client,
        async_client.stream(payload(stream=True)) as async_stream,
    ):
        with pytest.raises(IncompleteStreamError) as async_caught:
            await collect(async_stream.__aiter__(), seen)
    assert seen == expected * 2
    for error in (caught.value, async_caught.value):
        assert error.partial is not None
        assert error.partial["content"] == [{"type": "text", "text": "one two three four "}]


async def collect(events: AsyncIterator[Any], into: list[str]) -> None:
    async for event in events:
        into.append(event["type"])


def test_the_native_route_is_told_not_to_stream(sandbox: Sandbox, call: Caller) -> None:
    call(payload(NATIVE))
    call(payload(DIRECT, stream=True))
    assert [request.body["stream"] for request in sandbox.requests] == [False, True]
