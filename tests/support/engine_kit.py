"""What the tests of the engines share: a server that does exactly what a test says, and clients on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from core_kit import payload

from aivideoapi_core import AsyncMessagesClient, RetryPolicy

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
