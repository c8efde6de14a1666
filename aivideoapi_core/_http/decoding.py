"""The pieces of a body; of a compressed one unpacked, and of bounded size.

httpx unpacks each piece at once, and a chain of encodings one after the other: 3,477 bytes of zeros
packed twice become 4 GB before anybody can count them. Here at most ``_PIECE_BYTES`` come out at a time,
so that whoever reads can stop; only what zlib unpacks is asked for, and chains are refused.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Final, cast

import httpx

ACCEPTED: Final = "gzip, deflate"
"""The encodings that are asked for: those whose output can be bounded while it is made."""
_PIECE_BYTES: Final = 64 * 1024
_ZLIB: Final = zlib.MAX_WBITS
_GZIP: Final = 16 + zlib.MAX_WBITS
_KNOWN: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_REFUSED: Final = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"})
"""The other registered encodings. What is none of them ("utf-8", "none") packs nothing."""

_PLAIN_STARTS: Final = (b"{", b"[", b":", b"d", b"e", b"i", b"r", b"<")
"""How JSON, the lines of a stream (``data``, ``event``, ``id``, ``retry``) and HTML begin."""


class BoundedDecoder:
    """Unpacks one encoding. Raises ``httpx.DecodingError`` for what is refused, broken or cut."""

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        names = [name for name in names if name in _KNOWN or name in _REFUSED]
        self._refused = encoding[:50] if len(names) > 1 or _REFUSED & {*names} else None
        self._bits = _KNOWN[names[0]] if names and self._refused is None else None
        self._packed = zlib.decompressobj(self._bits) if self._bits is not None else None
        self._taken = self._given = 0
        self._head = b""

    @property
    def withholds(self) -> bool:
        """Whether bytes have come of which nothing could be handed over: nobody knows what they say."""
        return self._taken > 0 and self._given == 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The unpacked pieces of ``data``."""
        if self._refused is not None and (start := data.lstrip()[:1]):
            if start not in _PLAIN_STARTS:
                raise httpx.DecodingError(f"content-encoding {self._refused!r} was not asked for")
            self._refused = None  # a relay has unpacked the body, and left the head as it was
        if self._bits == _GZIP and not self._taken and data and not data.startswith(b"\x1f"):
            self._packed = None  # the head says gzip, the body is plain
        if self._packed is None:
            self._taken += len(data)
            self._given += len(data)
            yield data
            return
        while data:
            piece = self._unpacked(data)
            self._taken += len(data)
            self._given += len(piece)
            if piece:
                yield piece
            data = self._packed.unconsumed_tail
            if self._packed.eof:  # a gzip body may have several members; anything else behind it is padding
                data = self._packed.unused_data.lstrip(b"\0")
                if not data.startswith(b"\x1f\x8b"):
                    return
                self._packed = zlib.decompressobj(_GZIP)

    def _unpacked(self, data: bytes) -> bytes:
        if self._bits == _ZLIB and self._taken < 2:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return b""
            if data[0] & 15 != 8 or int.from_bytes(data[:2], "big") % 31:
                self._packed = zlib.decompressobj(-zlib.MAX_WBITS)  # "deflate" without its wrapper
        try:
            return self._packed.decompress(data, _PIECE_BYTES) if self._packed is not None else data
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error

    def finish(self) -> None:
        """Raise unless the body came to its end."""
        if self._packed is not None and self._taken and not self._packed.eof:
            raise httpx.DecodingError("the compressed body is cut")


def unpacked(response: httpx.Response) -> Iterator[bytes]:
    """The pieces of a compressed body as they arrive."""
    decoder = BoundedDecoder(response.headers["content-encoding"])
    try:
        for data in cast("httpx.SyncByteStream", response.stream):
            yield from decoder.feed(data)
    except httpx.TransportError as error:
        raise _cut(decoder, error) from error
    decoder.finish()


async def aunpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """The asynchronous twin of ``unpacked``."""
    decoder = BoundedDecoder(response.headers["content-encoding"])
    try:
        async for data in cast("httpx.AsyncByteStream", response.stream):
            for piece in decoder.feed(data):
                yield piece
    except httpx.TransportError as error:
        raise _cut(decoder, error) from error
    decoder.finish()


def _cut(decoder: BoundedDecoder, error: httpx.TransportError) -> httpx.RequestError:
    """``error``, unless part of an answer had come that nobody could read: then it is no matter of the connection."""
    return httpx.DecodingError(f"cut: {type(error).__name__}") if decoder.withholds else error


def pieces_of(response: httpx.Response) -> Iterable[bytes]:
    """The pieces of a body as they arrive.

    httpx's own iterators put each piece through a decoder and a buffer, which do nothing for a body
    that is neither compressed nor read already.
    """
    if response.is_stream_consumed:
        return response.iter_bytes()
    if "content-encoding" in response.headers:
        return unpacked(response)
    return cast("httpx.SyncByteStream", response.stream)


def apieces_of(response: httpx.Response) -> AsyncIterable[bytes]:
    """The asynchronous twin of ``pieces_of``."""
    if response.is_stream_consumed:
        return response.aiter_bytes()
    if "content-encoding" in response.headers:
        return aunpacked(response)
    return cast("httpx.AsyncByteStream", response.stream)
