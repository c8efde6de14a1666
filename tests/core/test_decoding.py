"""Compressed bodies: what comes out is bounded while it comes out, and what was not asked for is refused."""

from __future__ import annotations

import functools
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from core_kit import payload, stream_bytes, stream_message

from aivideoapi_core import AIVideoAPIError, MessagesClient, ResponseFormatError
from aivideoapi_core._http.decoding import BoundedDecoder

PLAIN = stream_bytes("text")


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = [
    pytest.param("gzip", gzip.compress(PLAIN), id="gzip"),
    pytest.param("x-gzip", gzip.compress(PLAIN), id="x-gzip"),
    pytest.param("identity, gzip", gzip.compress(PLAIN), id="identity beside it"),
    pytest.param("deflate", zlib.compress(PLAIN), id="deflate"),
    pytest.param("deflate", raw_deflate(PLAIN), id="deflate without its wrapper"),
    pytest.param("gzip", gzip.compress(PLAIN[:99]) + gzip.compress(PLAIN[99:]), id="two members"),
    pytest.param("gzip", gzip.compress(PLAIN) + bytes(9), id="padding"),
    pytest.param("identity", PLAIN, id="identity"),
    pytest.param("utf-8", PLAIN, id="what is no encoding"),
    pytest.param("gzip", PLAIN, id="plain under the head of gzip"),
    pytest.param("br", PLAIN, id="plain under the head of what was not asked for"),
    pytest.param("gzip, zstd", b"\n\n" + PLAIN, id="plain after blanks, under a chain"),
]


@pytest.mark.parametrize(("encoding", "body"), PACKED)
def test_it_is_unpacked_however_it_is_cut(encoding: str, body: bytes) -> None:
    for size in (1, 7, len(body)):
        decoder = BoundedDecoder(encoding)
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert b"".join(out for piece in pieces for out in decoder.feed(piece)).lstrip() == PLAIN
        decoder.finish()


class Pieces(httpx.SyncByteStream):
    """A body that httpx has not read."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def answering(encoding: str, *pieces: bytes, seen: list[Any] | None = None) -> MessagesClient:
    def answer(request: httpx.Request) -> httpx.Response:
        (seen if seen is not None else []).append(request)
        return httpx.Response(200, headers={"content-encoding": encoding}, stream=Pieces(*pieces))

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return MessagesClient(api_key="sk-test-key", base_url="http://127.0.0.1:1", http_client=http)


@pytest.mark.parametrize(("encoding", "body"), PACKED)
def test_a_compressed_stream(encoding: str, body: bytes) -> None:
    seen: list[Any] = []
    with answering(encoding, body[:50], body[50:], seen=seen).stream(payload(stream=True)) as stream:
        assert list(stream)
    assert stream.reply.message == stream_message("text")
    assert seen[0].headers["accept-encoding"] == "gzip, deflate"


@functools.cache
def bomb() -> bytes:
    """A hundred megabytes, packed twice."""
    return gzip.compress(gzip.compress(bytes(100_000_000)))


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,deflate", "br", "zstd", "new"])
@pytest.mark.parametrize("streamed", [False, True])
def test_what_was_not_asked_for_is_refused(encoding: str, streamed: bool) -> None:
    seen: list[Any] = []
    client = answering(encoding, bomb(), seen=seen)
    tracemalloc.start()
    try:
        with pytest.raises(ResponseFormatError) as caught:
            with_stream(client) if streamed else client.create(payload())
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert not caught.value.retryable
    assert len(seen) == 1


def with_stream(client: MessagesClient) -> None:
    with client.stream(payload(stream=True)) as stream:
        list(stream)


def test_zeros_without_end_cost_no_more_than_the_limit() -> None:
    body = gzip.compress(bytes(400_000_000), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(ResponseFormatError):
            answering("gzip", body).create(payload())
        assert tracemalloc.get_traced_memory()[1] < 160_000_000
    finally:
        tracemalloc.stop()


def test_a_cut_of_which_nothing_could_be_read_is_not_asked_for_again() -> None:
    seen: list[Any] = []
    with pytest.raises(ResponseFormatError):
        with_stream(answering("gzip", gzip.compress(PLAIN)[:12], seen=seen))
    assert len(seen) == 1


class Broken(Pieces):
    """A body whose connection breaks at its end."""

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        raise httpx.RemoteProtocolError("peer closed connection")


WHOLE = json.dumps(stream_message("text")).encode()
ARRIVED = [
    pytest.param("gzip", Pieces(gzip.compress(WHOLE)[:-8]), id="without its check sum"),
    pytest.param("identity", Broken(WHOLE), id="whole"),
    pytest.param("identity", Broken(PLAIN), id="stream"),
    pytest.param(
        "identity", Broken(PLAIN[: PLAIN.rindex(b"}") + 1]), id="stream without its last blank line"
    ),
]


@pytest.mark.parametrize(("encoding", "stream"), ARRIVED)
def test_an_answer_that_has_come_whole_is_kept_though_the_connection_breaks(
    encoding: str, stream: Pieces
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": encoding}, stream=stream)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = MessagesClient(api_key="sk-test-key", base_url="http://127.0.0.1:1", http_client=http)
    assert client.create(payload()).message["content"] == stream_message("text")["content"]
    with client.stream(payload(stream=True)) as streamed:
        assert list(streamed)
    assert streamed.reply.message["content"] == stream_message("text")["content"]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_whole_answer_that_was_cut_is_one_error(encoding: str) -> None:
    cut = gzip.compress(WHOLE)[:-40] if encoding == "gzip" else WHOLE[:-1]

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": encoding}, stream=Broken(cut))

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = MessagesClient(api_key="sk-test-key", base_url="http://127.0.0.1:1", http_client=http)
    with pytest.raises(AIVideoAPIError) as caught:
        client.create(payload())
    assert (caught.value.retryable, caught.value.attempts) == (False, 1)
