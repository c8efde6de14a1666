"""Answers that break, stall or go on, and those in another form than was asked for."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from client_kit import SHORT, Caller, both_ways, call_sync
from core_kit import payload, stream_bytes, stream_message

import aivideoapi_core._http.read_deadline as http_module
from aivideoapi_core import (
    AIVideoAPIError,
    APIConnectionError,
    APITimeoutError,
    AsyncMessagesClient,
    IncompleteStreamError,
    InsufficientCreditsError,
    InternalServerError,
    MessagesClient,
    OverloadedError,
    ResponseFormatError,
    RetryPolicy,
    StreamError,
    StreamTimeoutError,
    UpstreamError,
)
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

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


@both_ways
@pytest.mark.parametrize("content_type", ["text/plain", "text/event-stream", "application/json", "image/png"])
def test_the_content_type_does_not_matter(
    sandbox: Sandbox, call: Caller, stream: bool, content_type: str
) -> None:
    sandbox.enqueue(Fault.wrong_content_type(content_type, reply=Reply("Paris")))
    assert call(payload(stream=stream)).message["content"] == [{"type": "text", "text": "Paris"}]


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
