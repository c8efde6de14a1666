"""Requests that no client makes: each is answered, and no thread of the sandbox dies of one."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

import pytest

from aivideoapi_core.sandbox import Sandbox

ODD_BODIES = [
    b'{"model": "claude-sonnet-4-6", "stream": %s, "messages": [{"role": "user", "content": "\\udc80"}]}',
    b'{"model": "claude-haiku-4-5/anthropic", "max_tokens": 9, "stream": %s, '
    b'"messages": [{"role": "user", "content": "a \\ud83d b"}]}',
    b'{"model": "a\\ud83d", "stream": %s, "messages": []}',
]


def ask(sandbox: Sandbox, head: bytes, body: bytes) -> bytes:
    """The first bytes of the answer to a request written by hand."""
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as connection:
        key = sandbox.api_key.encode()
        connection.sendall(
            b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\n%b\r\n\r\n%b" % (key, head, body)
        )
        return connection.recv(64)


@pytest.fixture
def died(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    errors: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda facts: errors.append(facts.exc_value))
    return errors


@pytest.mark.parametrize("size", [b"-5", b"+5", b"0x5", b"1_0", b"", b"f" * 5_000])
def test_chunk_sizes(sandbox: Sandbox, size: bytes, died: list[object]) -> None:
    answer = ask(sandbox, b"transfer-encoding: chunked", size + b"\r\nhello\r\n0\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))
    assert died == []


@pytest.mark.parametrize("length", [b"-1", b"9" * 17, b"9" * 5_000, b"1e3"])
def test_lengths(sandbox: Sandbox, length: bytes, died: list[object]) -> None:
    assert ask(sandbox, b"content-length: " + length, b"x").startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))
    assert died == []


@pytest.mark.parametrize("body", ODD_BODIES)
@pytest.mark.parametrize("stream", [b"false", b"true"])
def test_surrogates(sandbox: Sandbox, body: bytes, stream: bytes, died: list[object]) -> None:
    whole = body % stream
    assert ask(sandbox, b"content-length: %d" % len(whole), whole).startswith(b"HTTP/1.1 ")
    sandbox.close()
    assert died == []
