"""Every engine gives the same answers and the same errors; only the speed differs."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from core_kit import payload
from engine_kit import END, ENGINES, HEAD, KEY, START, Serve, chunk, client_of, kinds_of, request_of, server

from aivideoapi_core import (
    APIConnectionError,
    APITimeoutError,
    AsyncMessagesClient,
    IncompleteStreamError,
    InvalidInputError,
    RetryPolicy,
    StreamTimeoutError,
)
from aivideoapi_core._http import engines
from aivideoapi_core._http.aiohttp_transport import AiohttpTransport
from aivideoapi_core._http.engines import ENGINE_ENV, resolve_engine
from aivideoapi_core.sandbox import Reply, Sandbox


@pytest.mark.parametrize("engine", ENGINES)
async def test_whole_and_streamed(sandbox: Sandbox, engine: str) -> None:
    sandbox.enqueue(Reply("one two three"), Reply("one two three"))
    async with AsyncMessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, http_engine=engine
    ) as client:
        whole = await client.create(payload())
        async with client.stream(payload(stream=True)) as stream:
            async for _ in stream:
                pass
        assert stream.reply.message["content"] == whole.message["content"]
    sent = sandbox.requests[-1].headers
    assert "cookie" not in sent
    assert sent["user-agent"].startswith("aivideoapi-adapters/")


async def test_the_same_request_goes_out() -> None:
    """Byte for byte the same body, and the same headers."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(HEAD + chunk(START + END) + b"0\r\n\r\n")
        await writer.drain()

    async with server(serve) as url:
        for engine in ENGINES:
            async with client_of(url, engine) as client:
                await kinds_of(client)
    heads = [
        sorted(head.lower().split(b"\r\n")[1:])
        for head, _, _ in (each.partition(b"\r\n\r\n") for each in seen)
    ]
    assert heads[0] == heads[1]
    assert seen[0].partition(b"\r\n\r\n")[2] == seen[1].partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("engine", ENGINES)
async def test_nothing_listens(engine: str) -> None:
    with pytest.raises(APIConnectionError) as caught:
        async with client_of("http://127.0.0.1:9", engine) as client:
            await client.create(payload())
    assert caught.value.never_sent
    assert caught.value.retryable


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    await reader.read()


async def farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(HEAD + chunk(START))
    await writer.drain()


async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(HEAD + chunk(START))
    await reader.read()


async def stall_before_the_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The body would end with the connection."""
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + START)
    await reader.read()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"this is no HTTP\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("serve", "error", "never_sent"),
    [
        pytest.param(silence, APITimeoutError, False, id="silence"),
        pytest.param(farewell, APIConnectionError, False, id="closed before the head"),
        pytest.param(cut, IncompleteStreamError, None, id="cut"),
        pytest.param(stall, StreamTimeoutError, None, id="silence in the body"),
        pytest.param(
            stall_before_the_close, StreamTimeoutError, None, id="silence in a body without a length"
        ),
        pytest.param(garbage, APIConnectionError, False, id="no HTTP"),
    ],
)
async def test_what_fails_once_the_request_is_out(
    engine: str, serve: Serve, error: type[Exception], never_sent: bool | None
) -> None:
    async with server(serve) as url, client_of(url, engine, timeout=httpx.Timeout(5.0, read=0.2)) as client:
        with pytest.raises(error) as caught:
            await kinds_of(client)
    assert type(caught.value).__module__.startswith("aivideoapi_core")
    assert getattr(caught.value, "never_sent", None) in (never_sent, False)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "in one piece"])
@pytest.mark.parametrize(
    "end", [b"zz\r\n", b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b""], ids=["no chunk", "a head", "cut"]
)
async def test_a_body_that_is_spoilt_is_not_asked_for_again(engine: str, apart: bool, end: bytes) -> None:
    """However it arrives: aiohttp forgets what stood before, and who reads on."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(HEAD if apart else HEAD + chunk(START) + end)
        await writer.drain()
        if apart:
            await asyncio.sleep(0)
            writer.write(chunk(START) + end)

    retry = RetryPolicy(max_retries=2, first_wait_s=0)
    async with server(serve) as url, client_of(url, engine, timeout=30.0, retry=retry) as client:
        with pytest.raises((IncompleteStreamError, APIConnectionError)) as caught:
            await kinds_of(client)
    assert not caught.value.retryable
    assert len(seen) == 1


async def test_a_connection_that_is_reset_while_nobody_uses_it_is_no_news() -> None:
    """The event loop reports ends of connections that nobody has looked at."""
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    begun, done = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HEAD + chunk(START))
        await begun.wait()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        await done.wait()
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with server(serve) as url:
        transport = AiohttpTransport(verify=ssl.create_default_context(), limits=httpx.Limits())
        response = await transport.handle_async_request(httpx.Request("POST", url, content=b"{}"))
        body: Any = response.stream
        parts = aiter(body)
        assert await anext(parts) == START
        begun.set()
        assert [part async for part in parts] == []
        await response.aclose()
        done.set()
        await asyncio.wait([body._closed])
        del body, parts, response
        transport._session._connector._conns.clear()  # type: ignore[union-attr]  # the pool drops it at the next request
        gc.collect()
        assert reported == []
        await transport.aclose()


async def test_what_had_arrived_before_a_cut_is_read() -> None:
    """aiohttp raises first, and would never say that anything had arrived."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HEAD + chunk(START))
        await writer.drain()

    async with server(serve) as url:
        transport = AiohttpTransport(verify=ssl.create_default_context(), limits=httpx.Limits())
        response = await transport.handle_async_request(httpx.Request("POST", url, content=b"{}"))
        body: Any = response.stream
        await asyncio.wait([body._closed])
        parts = aiter(body)
        assert await anext(parts) == START
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(parts)
        await response.aclose()
        await transport.aclose()


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_body_that_does_not_end(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivideoapi_core._http.read_deadline.END_GRACE_S", 0.05)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HEAD + chunk(START + END))
        await reader.read()

    async with server(serve) as url, client_of(url, engine) as client:
        assert (await kinds_of(client))[-1] == "message_stop"


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_caller_that_goes_away_ends_the_upstream(engine: str) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HEAD + chunk(START))
        await writer.drain()
        await reader.read()
        gone.set()

    async def read(client: AsyncMessagesClient) -> None:
        async with client.stream(payload(stream=True)) as stream:
            async for _ in stream:
                begun.set()

    begun = asyncio.Event()
    async with server(serve) as url, client_of(url, engine) as client:
        task = asyncio.create_task(read(client))
        await begun.wait()
        task.cancel()
        task.cancel()
        await asyncio.wait([task])
        await asyncio.wait_for(gone.wait(), 5)


async def test_who_intercepts_httpx_sees_every_request(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mocks, recorders and instrumentations replace a method of httpx's transport, whenever they like."""
    seen: list[str] = []
    original = httpx.AsyncHTTPTransport.handle_async_request

    async def watching(self: Any, request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return await original(self, request)

    async with AsyncMessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, http_engine="aiohttp"
    ) as client:
        await client.create(payload())
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", watching)
        await client.create(payload())
        monkeypatch.undo()
        await client.create(payload())
    assert len(seen) == 1


def test_one_client_in_many_loops(sandbox: Sandbox) -> None:
    client = AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, http_engine="aiohttp")
    for _ in range(3):
        assert asyncio.run(client.create(payload())).message["type"] == "message"


def test_the_engine_is_named_by_argument_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_engine("httpx") == "httpx"
    assert resolve_engine(None) == "aiohttp"
    monkeypatch.setenv(ENGINE_ENV, "httpx")
    assert resolve_engine(None) == "httpx"
    assert resolve_engine("aiohttp") == "aiohttp"
    with pytest.raises(InvalidInputError, match="curl"):
        AsyncMessagesClient(api_key=KEY, http_engine="curl")


@pytest.mark.parametrize("version", ["3.9.5", "3.12.6", "3.12.0rc1"])
def test_an_aiohttp_that_is_too_old_is_not_used(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """LlamaIndex brings aiohttp, and does not ask for a new one."""
    monkeypatch.setattr(engines, "_aiohttp_version", lambda: version)
    monkeypatch.delenv(ENGINE_ENV, raising=False)
    assert resolve_engine(None) == "httpx"
    with pytest.raises(
        InvalidInputError, match=rf"needs aiohttp 3\.12\.7 or newer, and {version} is installed"
    ):
        AsyncMessagesClient(api_key="sk-test", http_engine="aiohttp")


def test_the_least_aiohttp_is_the_extras_lower_bound() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"aiohttp>={engines.LEAST_AIOHTTP}" in project["optional-dependencies"]["fast"]
    for version, is_new in (("3.12.7", True), ("3.14.5", True), ("4.0.0a1", True), ("3.12.6", False)):
        assert (engines._numbers(version) >= engines._numbers(engines.LEAST_AIOHTTP)) is is_new
