"""Server-sent events: bytes cut anywhere in, events out. Does no I/O. (WHATWG HTML, section 9.2)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from aivideoapi_core._errors import StreamError

MAX_EVENT_BYTES: Final = 32 * 1024 * 1024
"""An event that grows beyond this is refused, so that a broken server cannot fill the memory."""

BOM: Final = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event: its name (``message`` when the server gave none) and its data lines joined."""

    event: str
    data: str


class SSEDecoder:
    """The plain decoder: every line ending, comments, multi-line data, a byte-order mark.

    ``feed`` raises ``StreamError`` at the end of an event whose data is not UTF-8, and for an event
    without an end: what came before is yielded first, however the bytes were cut.
    """

    def __init__(self, *, at_start: bool = True) -> None:
        self._at_start = at_start
        self._after_cr = False
        self._tail = bytearray()
        self._event = ""
        self._data: list[bytes] = []
        self._size = 0
        self.stray = False
        """Whether a line came that belongs to no event: this may be no stream at all."""

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._tail or self._data or self._event)

    @property
    def half_event(self) -> bool:
        """The same, but for half a comment."""
        return bool(self._data or self._event or says_something(bytes(self._tail)))

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that ``chunk`` completes. Exhaust it before the next chunk."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the second half of a CRLF
        elif not chunk:
            return
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, tail = chunk.split(b"\n")
        for line in lines:
            if self._tail:
                line = bytes(self._tail + line)
                self._tail.clear()
            event = self._feed_line(line)
            if event is not None:
                yield event
        if tail:
            self._tail += tail
            check_size(self._size + len(self._tail))

    def _feed_line(self, line: bytes) -> ServerSentEvent | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(BOM)
        if not line:
            event, data = self._event or "message", self._data
            self._event, self._data, self._size = "", [], 0
            return ServerSentEvent(event, _text_of(data)) if data else None
        field, _, value = line.partition(b":")
        if field == b"event":
            self._event = value.removeprefix(b" ").decode(errors="replace")
        elif field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(line) + 1  # an empty line of data takes memory too
            check_size(self._size)
        elif not self.stray and says_something(line):
            self.stray = True
        return None


_SAYS_NOTHING: Final = (b":", b"id:", b"retry:")


def says_something(line: bytes) -> bool:
    """Whether ``line``, whole or not, is more than a comment, a blank or a note about the connection."""
    return not line.startswith(_SAYS_NOTHING) and not line.isspace() and bool(line)


def _text_of(data: list[bytes]) -> str:
    try:
        return b"\n".join(data).decode()
    except UnicodeDecodeError:
        # Without a cause: it would hold the whole data.
        raise StreamError("the stream holds data that is not UTF-8") from None


def check_size(size: int) -> None:
    """Raise ``StreamError`` if an event of ``size`` bytes is more than anyone should hold."""
    if size > MAX_EVENT_BYTES:
        raise StreamError(f"the stream sent an event of more than {MAX_EVENT_BYTES} bytes")
