"""TLS with a private authority: trusted only when told so, with client certificates, and the key stays home."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import trustme
from core_kit import payload, stream_bytes, stream_message

from aivideoapi_core import APIConnectionError, AsyncMessagesClient, MessagesClient, RetryPolicy


class _Handler(BaseHTTPRequestHandler):
    """Answers every request with the same stream, or the same message."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.keys.append(self.headers["authorization"])
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = stream_bytes("text") if body["stream"] else json.dumps(stream_message("text")).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class TlsServer:
    """A server with a certificate of its own authority; ``keys`` are the credentials it was sent."""

    def __init__(self, authority: trustme.CA, *, wants_client_certificate: bool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        if wants_client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            authority.configure_trust(context)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.keys: list[str] = []
        self._http.keys = self.keys
        self._http.handle_error = lambda *_: None
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._http.daemon_threads = True
        self.url = f"https://localhost:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=[False, True], ids=["TLS", "mTLS"])
def server(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[TlsServer]:
    server = TlsServer(authority, wants_client_certificate=request.param)
    yield server
    server.close()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Trusts the private authority and has a certificate of it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("client@example.org").configure_cert(context)
    return context


@pytest.mark.parametrize("stream", [False, True])
def test_a_private_authority_and_a_client_certificate(
    server: TlsServer, trusting: ssl.SSLContext, stream: bool
) -> None:
    with httpx.Client(verify=trusting) as http:
        client = MessagesClient(api_key="sk-test", base_url=server.url, http_client=http)
        if stream:
            with client.stream(payload(stream=True)) as events:
                for _ in events:
                    pass
            reply = events.reply
        else:
            reply = client.create(payload())
    assert reply.message == stream_message("text")
    assert server.keys == ["Bearer sk-test"]


async def test_the_same_asynchronously(server: TlsServer, trusting: ssl.SSLContext) -> None:
    async with httpx.AsyncClient(verify=trusting) as http:
        client = AsyncMessagesClient(api_key="sk-test", base_url=server.url, http_client=http)
        assert (await client.create(payload())).message == stream_message("text")


def test_an_unknown_authority_is_not_trusted_and_not_asked_again(server: TlsServer) -> None:
    with (
        MessagesClient(api_key="sk-test", base_url=server.url, retry=RetryPolicy(first_wait_s=0.0)) as client,
        pytest.raises(APIConnectionError, match="certificate") as caught,
    ):
        client.create(payload())
    assert (caught.value.attempts, caught.value.retryable) == (1, False)
    assert "http_client" in str(caught.value)
    assert server.keys == [], "the key must not leave before the server is known"


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
async def test_an_unknown_authority_is_not_trusted_asynchronously(server: TlsServer, engine: str) -> None:
    async with AsyncMessagesClient(api_key="sk-test", base_url=server.url, http_engine=engine) as client:
        with pytest.raises(APIConnectionError, match="certificate"):
            await client.create(payload())
    assert server.keys == []
