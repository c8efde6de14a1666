"""The HTTP shell: bytes on the wire, keep-alive, many connections, nothing left after close."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import Any

import httpx
import pytest

from aivideoapi_core.sandbox import Reply, Sandbox

BODY = {"model": "claude-sonnet-4-6", "stream": False, "messages": [{"role": "user", "content": "Hello"}]}
AUTH = {"authorization": "Bearer sk-sandbox-0000"}


def raw_request(body: Any, *, path: str = "/v1/messages", extra: str = "") -> bytes:
    payload = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\n{extra}"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def connect(sandbox: Sandbox) -> socket.socket:
    host, port = sandbox.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def read_to_end(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def test_the_bytes_of_a_stream(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("Hi", usage={"input_tokens": 18, "output_tokens": 42}, pings=1))
    with connect(sandbox) as connection:
        connection.sendall(raw_request({**BODY, "stream": True}, extra="Connection: close\r\n"))
        head, _, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"server: aivideoapi-sandbox" in head
    assert b"request-id: req_sandbox_" in head
    assert b"content-type: text/event-stream" in head
    assert b"transfer-encoding: chunked" in head
    names = [
        line.removeprefix(b"event: ").decode() for line in body.split(b"\n") if line.startswith(b"event: ")
    ]
    assert names == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert body.endswith(b"\r\n0\r\n\r\n")


def test_a_native_request_without_stream_streams_and_a_direct_one_does_not(sandbox: Sandbox) -> None:
    body = {"model": "claude-sonnet-4-6", "messages": BODY["messages"]}
    native = httpx.post(f"{sandbox.url}/v1/messages", json=body, headers=AUTH)
    direct = httpx.post(
        f"{sandbox.url}/v1/messages", json={**body, "model": "claude-sonnet-4-6/anthropic"}, headers=AUTH
    )
    assert native.headers["content-type"].startswith("text/event-stream")
    assert direct.headers["content-type"] == "application/json"


def test_chunked_requests_keep_alive_and_split_writes(sandbox: Sandbox) -> None:
    payload = json.dumps(BODY).encode()
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = (
        b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (payload[:10], payload[10:])) + b"0\r\n\r\n"
    )
    with connect(sandbox) as connection:
        for piece in (head[:30], head[30:] + chunks[:7], chunks[7:]):
            connection.sendall(piece)
        connection.sendall(raw_request(BODY, extra="Connection: close\r\n"))
        answers = read_to_end(connection)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert [request.connection_id for request in sandbox.requests] == [1, 1]
    assert sandbox.requests[0].body == BODY


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/v1/credits", 200),
        ("POST", "/v1/credits", 405),
        ("GET", "/v1/messages", 405),
        ("POST", "/v1/v1/messages", 404),
        ("POST", "/messages", 404),
        ("GET", "/", 404),
    ],
)
def test_paths(sandbox: Sandbox, method: str, path: str, status: int) -> None:
    response = httpx.request(method, sandbox.url + path, headers=AUTH)
    assert response.status_code == status
    if status >= 400:
        assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({}, 401, "invalid_api_key", id="no key"),
        pytest.param({"x-api-key": "sk-test"}, 401, "invalid_api_key", id="x-api-key is not read"),
        pytest.param({"authorization": "Bearer pk-test"}, 401, "invalid_api_key", id="wrong prefix"),
        pytest.param({"authorization": "sk-test"}, 401, "invalid_api_key", id="no scheme"),
        pytest.param({"authorization": "Bearer sk-sandbox-disabled"}, 401, "invalid_api_key", id="disabled"),
        pytest.param({"authorization": "Bearer sk-sandbox-ip"}, 403, "ip_not_allowed", id="ip"),
        pytest.param(
            {"authorization": "Bearer sk-sandbox-spend-limit"}, 429, "spend_limit_exceeded", id="spend limit"
        ),
    ],
)
def test_keys(sandbox: Sandbox, headers: dict[str, str], status: int, code: str) -> None:
    response = httpx.post(f"{sandbox.url}/v1/messages", json=BODY, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert sandbox.ledger[0].outcome == f"error:{code}"


def test_configured_keys_are_the_only_good_ones() -> None:
    with Sandbox(keys={"sk-one": "ok", "sk-two": "disabled"}) as sandbox:
        statuses = [
            httpx.post(
                f"{sandbox.url}/v1/messages", json=BODY, headers={"authorization": f"Bearer {key}"}
            ).status_code
            for key in (sandbox.api_key, "sk-two", "sk-three")
        ]
    assert statuses == [200, 401, 401]


def test_records_leave_the_key_out(sandbox: Sandbox) -> None:
    canary = "sk-sandbox-canary"
    headers = {"authorization": f"Bearer {canary}", "x-api-key": canary, "x-extra": "1"}
    httpx.post(f"{sandbox.url}/v1/messages?beta=true", json=BODY, headers=headers)
    (request,) = sandbox.requests
    assert (request.method, request.path, request.key_was_sent) == ("POST", "/v1/messages", True)
    assert request.headers["authorization"] == "Bearer ***"
    assert request.headers["x-extra"] == "1"
    assert canary not in repr(sandbox.requests) + repr(sandbox.ledger)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", 400, id="request line"),
        pytest.param(b"POST /v1/messages HTTP/1.1\r\nno colon\r\n\r\n", 400, id="header line"),
        pytest.param(b"POST /v1/messages HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, id="length"),
        pytest.param(
            b"POST /v1/messages HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413, id="too large"
        ),
    ],
)
def test_unreadable_requests_are_answered_and_closed(sandbox: Sandbox, sent: bytes, status: int) -> None:
    with connect(sandbox) as connection:
        connection.sendall(sent)
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_bodies_that_are_no_request(sandbox: Sandbox, body: bytes) -> None:
    response = httpx.post(f"{sandbox.url}/v1/messages", content=body, headers=AUTH)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("body: ")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 2_000 + "answer in JSON with the keys a and b"])
def test_deep_text_is_only_text(sandbox: Sandbox, text: str) -> None:
    """Its threads' stacks hold whatever Python's own decoder does with it."""
    calls = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": text}
    messages = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": [calls]},
        {"role": "user", "content": [result]},
    ]
    body = {**BODY, "messages": messages, "tools": [{"name": "look", "input_schema": {"type": "object"}}]}
    assert httpx.post(f"{sandbox.url}/v1/messages", json=body, headers=AUTH).status_code == 200


async def test_two_hundred_keep_alive_connections() -> None:
    """All open at once, each for two streams. Plain sockets: a pooling client would measure its pool."""
    before = set(threading.enumerate())
    with Sandbox() as sandbox:
        host, port = sandbox.url.removeprefix("http://").split(":")
        opened = await asyncio.gather(*(asyncio.open_connection(host, int(port)) for _ in range(200)))
        for _ in range(2):
            for _, writer in opened:
                writer.write(raw_request({**BODY, "stream": True}))
            bodies = await asyncio.gather(*(reader.readuntil(b"\r\n0\r\n\r\n") for reader, _ in opened))
            assert all(b"event: message_stop" in body for body in bodies)
        assert len({request.connection_id for request in sandbox.requests}) == 200
        assert len(sandbox.ledger) == 400
        for _, writer in opened:
            writer.close()
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("sandbox")]


def test_close_ends_held_connections_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    faults = (
        "stall;after_events=2",
        "delay;seconds=3600",
        "stall;after_events=-1",
        "endless_line;size=999999999999",
    )
    with Sandbox() as sandbox:
        connections = [connect(sandbox) for _ in range(5)]  # the last one never sends anything
        for connection, fault in zip(connections, faults, strict=False):
            connection.sendall(raw_request({**BODY, "stream": True}, extra=f"X-Sandbox-Fault: {fault}\r\n"))
        while len(sandbox.ledger) < 4:
            threading.Event().wait(0.005)  # until every handler is in the middle of its fault
        url = sandbox.url
    assert set(threading.enumerate()) == before
    for connection in connections:
        connection.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url


def test_a_sandbox_can_be_started_again_and_closed_twice() -> None:
    sandbox = Sandbox()
    for _ in range(2):
        sandbox.start()
        sandbox.start()
        assert httpx.get(f"{sandbox.url}/healthz").status_code == 200
        sandbox.close()
        sandbox.close()


def test_a_client_that_leaves_in_mid_stream_is_noted(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("x" * 2_000, pieces=1, pause_s=0.001))
    with connect(sandbox) as connection:
        connection.sendall(raw_request({**BODY, "stream": True}))
        connection.recv(64)
    while sandbox.ledger[0].outcome == "ok":
        threading.Event().wait(0.005)  # the server notices at one of its next writes
    assert sandbox.ledger[0].outcome == "abandoned"
    assert sandbox.ledger[0].charged


def test_coalesced_streams_come_in_one_write() -> None:
    with Sandbox(coalesce=True) as sandbox, connect(sandbox) as connection:
        connection.sendall(raw_request({**BODY, "stream": True}, extra="Connection: close\r\n"))
        assert b"event: message_stop" in read_to_end(connection)


def test_http_1_0_gets_no_chunks(sandbox: Sandbox) -> None:
    with connect(sandbox) as connection:
        connection.sendall(raw_request({**BODY, "stream": True}).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        head, _, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.startswith(b"event: message_start\n")


@pytest.mark.parametrize(("limit", "kept"), [(None, 3), (2, 2), (0, 0)])
def test_old_records_can_be_dropped(limit: int | None, kept: int) -> None:
    with Sandbox(record_limit=limit) as sandbox:
        for _ in range(3):
            httpx.post(f"{sandbox.url}/v1/messages", json=BODY, headers=AUTH)
        assert len(sandbox.requests) == kept
        assert len(sandbox.ledger) == 3
