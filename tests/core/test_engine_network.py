"""Every engine on bad networks: authorities, proxies, patience, connections that the server closes meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from core_kit import payload
from engine_kit import END, ENGINES, HEAD, KEY, START, chunk, client_of, kinds_of, request_of, server

from aivideoapi_core import APIConnectionError, APITimeoutError, AsyncMessagesClient, InvalidInputError
from aivideoapi_core._http import pools
from aivideoapi_core._http.aiohttp_transport import AiohttpTransport

ANSWER = HEAD + chunk(START + END) + b"0\r\n\r\n"
both_engines = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def served(authority: trustme.CA) -> ssl.SSLContext:
    """What a TLS server of the private authority speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "gateway.test").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment names the private authority, as users do it; contexts of other tests do not count."""
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    pools._authorities.cache_clear()
    yield
    pools._authorities.cache_clear()


@pytest.fixture
def fast_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts of the requests that aiohttp carried."""
    seen: list[str] = []
    usual = AiohttpTransport.handle_async_request

    async def watching(self: AiohttpTransport, request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return await usual(self, request)

    monkeypatch.setattr(AiohttpTransport, "handle_async_request", watching)
    return seen


@asynccontextmanager
async def tls_server(context: ssl.SSLContext, heads: list[bytes]) -> AsyncIterator[int]:
    """Answers over TLS; ``heads`` are those of the requests. Gives the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                heads.append(await request_of(reader))
                writer.write(ANSWER)
        writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()


@asynccontextmanager
async def tunnels(port: int, heads: list[bytes]) -> AsyncIterator[str]:
    """A proxy whose every tunnel ends at ``port``; ``heads`` is all that it could read. Gives its URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
        sink.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        tasks.add(asyncio.create_task(pour(reader, far_writer)))
        tasks.add(asyncio.create_task(pour(far_reader, writer)))

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    finally:
        running.close()
        for task in tasks:
            task.cancel()


# --- authorities and proxies


@both_engines
async def test_an_authority_that_the_environment_names(
    engine: str, served: ssl.SSLContext, trusting: None, fast_calls: list[str]
) -> None:
    heads: list[bytes] = []
    async with (
        tls_server(served, heads) as port,
        client_of(f"https://localhost:{port}", engine) as client,
    ):
        assert (await kinds_of(client))[-1] == "message_stop"
        assert (await kinds_of(client))[-1] == "message_stop"
    assert len(heads) == 2
    assert len(fast_calls) == 2 * (engine == "aiohttp")


@both_engines
async def test_an_unknown_authority(engine: str, served: ssl.SSLContext) -> None:
    heads: list[bytes] = []
    async with (
        tls_server(served, heads) as port,
        client_of(f"https://localhost:{port}", engine) as client,
    ):
        with pytest.raises(APIConnectionError, match="certificate") as caught:
            await kinds_of(client)
    assert (caught.value.never_sent, caught.value.retryable, heads) == (True, False, [])


@both_engines
async def test_a_name_that_the_certificate_is_not_for(
    engine: str, served: ssl.SSLContext, trusting: None
) -> None:
    heads: list[bytes] = []
    async with (
        tls_server(served, heads) as port,
        client_of(f"https://127.0.0.1:{port}", engine) as client,
    ):
        with pytest.raises(APIConnectionError, match="certificate"):
            await kinds_of(client)
    assert heads == []


@both_engines
async def test_a_proxy_of_the_environment(
    engine: str,
    served: ssl.SSLContext,
    trusting: None,
    monkeypatch: pytest.MonkeyPatch,
    fast_calls: list[str],
) -> None:
    """httpx carries what a proxy is for, whichever engine was asked for: choosing the proxy is its work."""
    heads: list[bytes] = []
    tunnelled: list[bytes] = []
    async with tls_server(served, heads) as port, tunnels(port, tunnelled) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        async with client_of("https://gateway.test", engine) as client:
            assert (await kinds_of(client))[-1] == "message_stop"
    assert tunnelled[0].startswith(b"CONNECT gateway.test:443 ")
    assert KEY.encode() not in tunnelled[0]
    assert KEY.encode() in heads[0]
    assert fast_calls == []


@both_engines
async def test_no_proxy_for_this_host(
    engine: str, served: ssl.SSLContext, trusting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []
    tunnelled: list[bytes] = []
    async with tls_server(served, heads) as port, tunnels(port, tunnelled) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "localhost")
        async with client_of(f"https://localhost:{port}", engine) as client:
            assert (await kinds_of(client))[-1] == "message_stop"
    assert (len(heads), tunnelled) == (1, [])


@pytest.mark.parametrize(
    ("name", "value"), [("NO_PROXY", "elsewhere.test"), ("FTP_PROXY", "http://127.0.0.1:9"), ("HTTP_PROXY", "http://127.0.0.1:9")]
)  # fmt: skip
async def test_what_names_no_proxy_for_us_costs_no_speed(
    name: str,
    value: str,
    served: ssl.SSLContext,
    trusting: None,
    monkeypatch: pytest.MonkeyPatch,
    fast_calls: list[str],
) -> None:
    monkeypatch.setenv(name, value)
    async with (
        tls_server(served, []) as port,
        client_of(f"https://localhost:{port}", "aiohttp") as client,
    ):
        await kinds_of(client)
    assert fast_calls == ["localhost"]


# --- patience


async def never(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


@both_engines
async def test_a_name_server_that_is_silent(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never, raising=False)
    patience = httpx.Timeout(30.0, connect=0.05)
    async with client_of("http://gateway.test", engine, timeout=patience, allow_http=True) as client:
        with pytest.raises(APITimeoutError) as caught:
            await client.create(payload())
    assert (caught.value.never_sent, caught.value.retryable) == (True, True)


@both_engines
async def test_a_server_that_never_shakes_hands(engine: str, trusting: None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass

    async with server(serve) as url:
        patience = httpx.Timeout(30.0, connect=0.05)
        async with client_of(url.replace("http", "https"), engine, timeout=patience) as client:
            with pytest.raises(APITimeoutError) as caught:
                await client.create(payload())
    assert (caught.value.never_sent, caught.value.retryable) == (True, True)


@both_engines
async def test_a_server_that_does_not_take_the_body(engine: str) -> None:
    """More than the kernel's buffers hold."""
    async with server(never) as url:
        patience = httpx.Timeout(30.0, write=0.05)
        async with client_of(url, engine, timeout=patience) as client:
            with pytest.raises(APITimeoutError) as caught:
                await client.create(payload(system="x" * 24_000_000))
    assert (caught.value.never_sent, caught.value.retryable) == (True, True)


@both_engines
async def test_no_call_waits_for_another_ones_connection(engine: str) -> None:
    """So that there is no patience for a pool to lose."""
    arrived = 0
    everybody = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await request_of(reader)
        arrived += 1
        if arrived == 60:
            everybody.set()
        await everybody.wait()
        writer.write(ANSWER)
        await writer.drain()

    async with server(serve) as url, client_of(url, engine, timeout=httpx.Timeout(30.0, pool=0.05)) as client:
        assert len(await asyncio.gather(*(kinds_of(client) for _ in range(60)))) == 60


# --- cancellation


@both_engines
@pytest.mark.parametrize("part", [b"", HEAD, HEAD + chunk(START)], ids=["waiting", "head", "body"])
async def test_twenty_of_twenty_upstreams_end(engine: str, part: bytes) -> None:
    """However far the reply had come, and with a cancellation that is cancelled itself."""
    arrived: asyncio.Queue[None] = asyncio.Queue()
    gone: asyncio.Queue[None] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(part)
        await writer.drain()
        arrived.put_nowait(None)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        gone.put_nowait(None)

    async with server(serve) as url, client_of(url, engine) as client:
        for number in range(20):
            task = asyncio.create_task(kinds_of(client))
            await arrived.get()
            for _ in range(number % 4):
                await asyncio.sleep(0)
            for _ in range(1 + number % 2):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([task])
            await asyncio.wait_for(gone.get(), 5)


# --- keep-alive


class _ClosesAfterEach:
    """A server in a thread that ends each connection after one reply, without announcing it.

    ``closed`` counts the connections that have been ended: waiting for it blocks the caller's event loop meanwhile,
    as a long computation does.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.closed = threading.Semaphore(0)
        self.requests = 0
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._answer(self._listening.accept()[0])

    def _answer(self, connection: socket.socket) -> None:
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            received = b""
            while b"\r\n\r\n" not in received or not received.endswith(b"}"):
                data = connection.recv(65_536)
                if not data:
                    return
                received += data
            self.requests += 1
            connection.sendall(ANSWER)
            if self._context is not None:
                with contextlib.suppress(OSError):
                    connection.settimeout(0.0)
                    connection.unwrap()  # says good-bye, and does not wait for an answer
        self.closed.release()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


@both_engines
@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
async def test_a_connection_that_the_server_closed_meanwhile(
    engine: str, secured: bool, served: ssl.SSLContext, trusting: None
) -> None:
    """It is noticed before anything is sent over it: no error, and no second try of a call that may be billed."""
    closing = _ClosesAfterEach(served if secured else None)
    url = f"{'https' if secured else 'http'}://localhost:{closing.port}"
    try:
        async with client_of(url, engine) as client:
            for _ in range(20):
                assert (await kinds_of(client))[-1] == "message_stop"
                assert closing.closed.acquire(timeout=5)
    finally:
        closing.close()
    assert closing.requests == 20


# --- heads, and what cannot be made


@both_engines
async def test_a_long_head_of_a_gateway(engine: str) -> None:
    more = b"".join(b"x-gateway-%d: %s\r\n" % (number, b"v" * 100) for number in range(200))
    policy = b"content-security-policy: " + b"p" * 20_000 + b"\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HEAD[:-2] + policy + more + b"\r\n" + chunk(START + END) + b"0\r\n\r\n")
        await writer.drain()

    async with server(serve) as url, client_of(url, engine) as client:
        assert (await kinds_of(client))[-1] == "message_stop"


@both_engines
async def test_early_hints_are_not_the_reply(engine: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + ANSWER)
        await writer.drain()

    async with server(serve) as url, client_of(url, engine) as client:
        assert (await kinds_of(client))[-1] == "message_stop"


@both_engines
async def test_authorities_that_cannot_be_read(
    engine: str, trusting: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    client = AsyncMessagesClient(api_key=KEY, base_url="https://localhost:9", http_engine=engine)
    # Before 0.28 httpx leaves alone what is not there.
    said = "SSL_CERT_FILE" if version("httpx") >= "0.28" else "no answer"
    with pytest.raises((APIConnectionError, InvalidInputError), match=said) as caught:
        await client.create(payload())
    assert getattr(caught.value, "never_sent", True)
