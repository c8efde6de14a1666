"""Every engine gives the same answers and the same errors; only the speed differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from core_kit import payload

from aivideoapi_core import (
    APIConnectionError,
    APITimeoutError,
    AsyncMessagesClient,
    IncompleteStreamError,
    InvalidInputError,
    RetryPolicy,
)
from aivideoapi_core._http.engines import ENGINE_ENV, resolve_engine
from aivideoapi_core.sandbox import Reply, Sandbox

ENGINES = ("httpx", "aiohttp")
KEY = "sk-engine-test"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
START = (
    b'data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m",'
    b'"content":[],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}\n\n'
)
END = (
    b'data: {"type":"content_block_stop","index":0}\n\n'
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
    b'data: {"type":"message_stop"}\n\n'
)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """A loopback server that does exactly what ``serve`` does with each connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    finally:
        running.close()
        for task in tasks:
            task.cancel()


def client_of(url: str, engine: str, **settings: Any) -> AsyncMessagesClient:
    settings.setdefault("retry", RetryPolicy(max_retries=0))
    return AsyncMessagesClient(api_key=KEY, base_url=url, http_engine=engine, **settings)


async def kinds_of(client: AsyncMessagesClient) -> list[str]:
    async with client.stream(payload(stream=True)) as stream:
        return [event["type"] async for event in stream]


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
