"""Each fast path of the core against the plain way to the same result."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import io
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from core_kit import STREAM_NAMES, frame, payload, stream_bytes, stream_message
from hypothesis import given
from hypothesis import strategies as st

from aivideoapi_core import (
    AsyncMessagesClient,
    EventDecoder,
    MessageAccumulator,
    MessagesClient,
    SSEDecoder,
    StreamError,
    StreamReader,
)
from aivideoapi_core._http.lanes import Lane, Lanes
from aivideoapi_core._http.pools import AsyncPool
from aivideoapi_core._inbound.events import parse_events
from aivideoapi_core.sandbox import Sandbox

# --- one event in one piece

PIECES = st.sampled_from(
    [
        b'data: {"type":"ping"}\n\n',
        b'event: ping\ndata: {"type":"ping"}\n\n',
        b'event: error\ndata: {"type":"ping"}\n\n',
        b'data:{"type":"new"}\n\n',
        b'data: {"type":"ping"}\r\n\r\n',
        b'data: {"type":"ping"}\n',
        b'\ndata: {"type":"ping"}\n\n',
        b'data: {"type":\ndata: "ping"}\n\n',
        b'data: {"type":"ping"}\n\ndata: {"type":"ping"}\n\n',
        b'xdata: {"type":"ping"}\n\n',
        b"data: [1]\n\n",
        b"data: {\n\n",
        b": note\n\n",
        b"\xef\xbb\xbf",
        b"\n\n",
        b"\n",
        b"d",
        b"",
    ]
)


def through_one(pieces: list[bytes]) -> tuple[list[Any], bool]:
    decoder, events = EventDecoder(), []
    try:
        for piece in pieces:
            event = decoder.one(piece)
            if event is not None:
                events.append(event)
            else:
                events.extend(decoder.feed(piece))
    except StreamError:
        return events, True
    return events, False


def plainly(data: bytes) -> tuple[list[Any], bool]:
    events = []
    try:
        for event in SSEDecoder().feed(data):
            events.extend(parse_events(event.data, event.event))
    except StreamError:
        return events, True
    return events, False


@given(st.lists(PIECES, max_size=12))
def test_one_is_plain(pieces: list[bytes]) -> None:
    events, failed = through_one(pieces)
    expected, plain_failed = plainly(b"".join(pieces))
    # A list comprehension's worth of events before an error may be lost by ``extend``; the error may not.
    assert failed == plain_failed
    assert expected[: len(events)] == events
    assert failed or events == expected


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_a_piece_for_each_event_reads_like_the_whole(name: str) -> None:
    data = stream_bytes(name)
    pieces = [piece + b"\n\n" for piece in data.split(b"\n\n")]
    pieces[-1] = pieces[-1].removesuffix(b"\n\n")
    assert b"".join(pieces) == data
    seen, whole = [], []
    for events, parts in ((seen, pieces), (whole, [data])):
        reader = StreamReader()
        for part in parts:
            events.extend(reader.feed(part))
        events.extend(reader.finish())
        assert reader.accumulator.message() == stream_message(name)
    assert seen == whole


DELTAS = st.lists(
    st.one_of(
        st.text(max_size=5).map(lambda text: {"type": "text_delta", "text": text}),
        st.just({"type": "new_delta", "x": 1}),
        st.sampled_from([{"type": "text_delta"}, {"type": "text_delta", "text": 1}, {}, None]),
    ),
    max_size=8,
)


@given(DELTAS)
def test_a_delta_in_one_piece_is_folded_like_any_other(deltas: list[Any]) -> None:
    events: list[Any] = [
        {"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    expected, seen = MessageAccumulator(), []
    with contextlib.suppress(StreamError):
        for event in events:
            seen.extend(expected.push(event))
    reader, got, failure = StreamReader(), [], None
    try:
        for event in events:
            for out in reader.feed(frame(event)):
                got.append(out)
    except StreamError as error:
        failure = error
    assert got == seen
    assert failure is None or failure.partial == expected.partial()
    assert reader.accumulator.done == expected.done


def test_memory_of_an_open_stream_is_its_text() -> None:
    """What is kept of 20,000 deltas beside their text does not depend on how a server words its events."""
    start = frame({"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}})
    block = frame({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    padding = {"padding": "x" * 1000}
    delta = frame(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ab"}} | padding
    )
    reader = StreamReader()
    for piece in (start, block):
        for _ in reader.feed(piece):
            pass
    tracemalloc.start()
    try:
        for _ in range(20_000):
            for _event in reader.feed(delta):
                pass
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 20_000 * 100


# --- the body without httpx's own iterators


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    async def __aiter__(self) -> Any:
        for piece in self._pieces:
            yield piece


def transport(*, compressed: bool) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        body = stream_bytes("text")
        headers = {"content-type": "text/event-stream"}
        if compressed:
            body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
        source = io.BytesIO(body)
        return httpx.Response(200, headers=headers, stream=Stream(list(iter(lambda: source.read(7), b""))))

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("read_by_hook", [False, True])
def test_a_body_in_any_state(compressed: bool, read_by_hook: bool) -> None:
    hooks: dict[str, Any] = {"response": [lambda response: response.read()]} if read_by_hook else {}
    with httpx.Client(transport=transport(compressed=compressed), event_hooks=hooks) as http:
        client = MessagesClient(api_key="sk-test", http_client=http)
        with client.stream(payload(stream=True)) as stream:
            for _ in stream:
                pass
        assert stream.reply.message == stream_message("text")


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_body_in_any_state_async(compressed: bool) -> None:
    async with httpx.AsyncClient(transport=transport(compressed=compressed)) as http:
        client = AsyncMessagesClient(api_key="sk-test", http_client=http)
        async with client.stream(payload(stream=True)) as stream:
            async for _ in stream:
                pass
        assert stream.reply.message == stream_message("text")


# --- a request without httpx's merging


@pytest.mark.parametrize("timeout", [3.5, httpx.Timeout(7.0, connect=2.0), None])
@pytest.mark.parametrize(
    "headers", [{}, {"user-agent": "mine", "Accept-Encoding": "identity", "x-note": "e"}]
)
def test_a_request_of_our_own_client_is_what_httpx_would_build(headers: dict[str, str], timeout: Any) -> None:
    client = MessagesClient(api_key="sk-test", default_headers=headers, timeout=timeout)
    request = client._exchange.messages_request(payload(stream=True), None, None)
    with httpx.Client() as http:
        mine = client._exchange.build(request, None)
        theirs = client._exchange.build(request, http)
    assert (mine.method, mine.url, mine.read()) == (theirs.method, theirs.url, theirs.content)
    assert sorted(mine.headers.items()) == sorted(theirs.headers.items())
    assert mine.extensions == theirs.extensions


# --- several small pools


class Open:
    def __init__(self) -> None:
        self.is_closed = False


def test_one_request_after_the_other_finds_the_same_client() -> None:
    lanes: Lanes[int] = Lanes(lambda number: number, room=2)
    for _ in range(5):
        with lanes.pick() as lane:
            response = Open()
        lane.serves(response)
        response.is_closed = True
    assert list(lanes) == [0]


def test_a_burst_gets_as_many_clients_as_it_needs_and_no_more() -> None:
    lanes: Lanes[int] = Lanes(lambda number: number, room=2)
    responses = []
    for _ in range(5):
        lane = lanes.pick()
        responses.append(Open())
        lane.serves(responses[-1])
    assert list(lanes) == [0, 1, 2]
    responses[0].is_closed = True
    assert lanes.pick().pool == 0
    del responses[2:4]  # dropped without being closed
    assert lanes.pick().pool == 0
    with lanes.pick(), lanes.pick():
        assert lanes.pick().pool == 1


def test_a_request_that_fails_leaves_no_load() -> None:
    lane: Lane[int] = Lane(0)
    with contextlib.suppress(RuntimeError), lane:
        assert lane.load == 1
        raise RuntimeError
    assert lane.load == 0


def connections(pool: AsyncPool) -> list[Any]:
    """Those that are open, in httpx's transport, where nothing public shows them."""
    assert isinstance(pool.transport, httpx.AsyncHTTPTransport)
    found: list[Any] = pool.transport._pool.connections
    return found


async def test_many_streams_at_once_and_one_afterwards(sandbox: Sandbox) -> None:
    async with AsyncMessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, http_engine="httpx"
    ) as client:

        async def text() -> str:
            async with client.stream(payload(stream=True)) as stream:
                async for _ in stream:
                    pass
            return str(stream.reply.message["content"])

        assert len(set(await asyncio.gather(*(text() for _ in range(40))))) == 1
        pools = list(client._pools)
        assert 1 < len(pools) <= 3
        await text()
        assert list(client._pools) == pools
        assert any(connections(pool) for pool in pools)
    assert not any(connections(pool) for pool in pools)


async def test_a_dropped_client_is_closed_by_its_loop_and_not_by_the_garbage_collector(
    sandbox: Sandbox,
) -> None:
    """Sockets that the collector closes leave their numbers to others, whose readers are then taken away."""
    client = AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, http_engine="httpx")
    await client.create(payload())
    (pool,) = client._pools
    (connection,) = connections(pool)
    socket = connection._connection._network_stream.get_extra_info("socket")
    descriptor, owner = socket.fileno(), weakref.ref(client)
    client.itself = client
    del client, pool, connection
    gc.collect()
    assert owner() is None
    assert socket.fileno() == descriptor
    for _ in range(100):
        await asyncio.sleep(0)
        if socket.fileno() == -1:
            break
    assert socket.fileno() == -1
