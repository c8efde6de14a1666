"""Bytes to stream events: ``EventDecoder`` and the plain ``parse_event`` behind it. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import from_json

from aivideoapi_core._errors import StreamError
from aivideoapi_core._inbound.blocks import DELTA_FIELDS
from aivideoapi_core._inbound.error_bodies import ErrorFacts
from aivideoapi_core._inbound.halves import without_halves
from aivideoapi_core._inbound.lenient_json import parse_leniently
from aivideoapi_core._inbound.sse import SSEDecoder, check_size, says_something
from aivideoapi_core._received import StreamEvent
from aivideoapi_core._secrets import excerpt_of

ORDERED: Final = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    }
)
"""The event types that make a message."""
NAMED: Final = ORDERED | {"ping", "error"}
"""Every event type of the format."""


class EventDecoder:
    """Decode stream events from bytes cut anywhere. Does no I/O.

    The common form (LF, one ``data`` line at the end of each event) is split and parsed as bytes,
    which costs a tenth of the plain way; from the first byte-order mark or CR on, the stream goes
    through ``SSEDecoder``, and so does a single event in any other form.
    """

    def __init__(self) -> None:
        self._tail = bytearray()
        self._begun = False
        self._plain: SSEDecoder | None = None
        self._cut = False
        self.stray = False
        """Whether a line came that belongs to no event."""

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        if self._cut:
            return True
        if self._plain is not None:
            return self._plain.half_event
        return any(map(says_something, bytes(self._tail).split(b"\n")))

    def feed(self, chunk: bytes) -> Iterator[StreamEvent]:
        """Yield the events that ``chunk`` completes. Exhaust it before the next chunk.

        Raises ``StreamError`` for what is not a stream event, at that very place: what came before
        is yielded first, however the bytes were cut.
        """
        if self._plain is None and (b"\r" in chunk or (not self._begun and chunk.startswith(b"\xef"))):
            self._plain = SSEDecoder(at_start=not self._begun)
            chunk = bytes(self._tail) + chunk
            self._tail.clear()
        self._begun = self._begun or bool(chunk)
        if self._plain is None:
            return self._feed_fast(chunk)
        return self._feed_plain(self._plain, chunk)

    def one(self, chunk: bytes) -> StreamEvent | None:
        """The event, if ``chunk`` is exactly one event in the common form; else ``None``: feed it.

        Servers send each event in a piece of its own, and for those this is all there is to do.
        """
        if self._tail or self._plain is not None or not self._begun:
            return None
        if chunk.find(b"\n\n") != len(chunk) - 2 or b"\r" in chunk:
            return None
        return _parse_frame(chunk[:-2])

    def finish(self) -> list[StreamEvent]:
        """The event that the end of the body completes: all of it came but its blank line."""
        decoder = self._plain or SSEDecoder(at_start=not self._begun)
        half = self.pending
        try:
            said = [*decoder.feed(bytes(self._tail))]
            self.stray = self.stray or decoder.stray  # by whole lines, as in a body that came in other pieces
            said += decoder.feed(b"\n\n")
            events = [event for name, data in said if _is_whole(data) for event in parse_events(data, name)]
        except StreamError:
            events = []
        self._tail.clear()
        self._cut = half and not events
        return events

    def _feed_plain(self, decoder: SSEDecoder, chunk: bytes) -> Iterator[StreamEvent]:
        for name, data in decoder.feed(chunk):
            self.stray = (
                self.stray or decoder.stray
            )  # before the event: who takes it may stop here, at an error
            yield from parse_events(data, name)
        self.stray = self.stray or decoder.stray

    def _feed_fast(self, chunk: bytes) -> Iterator[StreamEvent]:
        tail = self._tail
        if tail:
            # A blank line may be cut in two: look at the seam, and join the parts only at an end.
            if b"\n\n" not in chunk and not (chunk.startswith(b"\n") and tail.endswith(b"\n")):
                self._keep(chunk)
                return
            chunk = bytes(tail) + chunk
            tail.clear()
        *frames, rest = chunk.split(b"\n\n")
        for frame in frames:
            event = _parse_frame(frame)
            if event is not None:
                yield event
            else:
                yield from self._feed_plain(SSEDecoder(at_start=False), frame + b"\n\n")
        if rest:
            self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._tail += part
        check_size(len(self._tail))


def _parse_frame(frame: bytes) -> StreamEvent | None:
    """The event in ``frame``, a block of lines without the blank one, if its form is the common one."""
    start = frame.find(b"\n") + 1
    if not frame.startswith(b"data:", start) or (start and not frame.startswith(b"event:")):
        start = frame.find(b"data:")
        if start < 0 or not _may_precede(frame[:start]):
            return None
    if frame.find(b"\n", start) >= 0:
        return None
    try:
        event: StreamEvent = from_json(frame[start + 5 :], allow_inf_nan=False)
        return event if event["type"] in NAMED else None
    except _NO_EVENT:
        return None


_NO_EVENT: Final = (ValueError, KeyError, TypeError)
"""What data raises that is no JSON, or does not say by its ``type`` what it is; a relay's ``type`` may be anything."""


def _may_precede(part: bytes) -> bool:
    """Whether ``part`` is whole lines, none of which is stray, before the data of an event."""
    *lines, rest = part.split(b"\n")
    return not rest and all(line.startswith(b"event:") or not says_something(line) for line in lines)


def _is_whole(data: str) -> bool:
    """Whether ``data`` can be told from the first half of itself."""
    return data.rstrip().endswith(("}", "]"))


HALVES: Final = "halves"
"""A field of a delta that may hold half a character; no common delta has so many fields."""
DONE: Final = "[DONE]"
"""Data, and the type of the event made of it, by which servers of another family end their streams."""


def parse_events(data: str, name: str = "message") -> Iterator[StreamEvent]:
    """The event of an SSE event's data; one for each line where a server has left out the blank lines between them."""
    lines = [line for line in data.split("\n") if line.strip()] if "\n" in data else ()
    if len(lines) > 1 and all(map(is_event_line, lines)):
        for line in lines:
            yield parse_event(line)
    else:
        yield parse_event(data, name)


def is_event_line(line: str | bytes) -> bool:
    """Whether ``line`` is an event of the format by itself, or the end of a stream."""
    if line.strip() in (DONE, DONE.encode()):
        return True
    try:
        return from_json(line)["type"] in NAMED
    except _NO_EVENT:
        return False


def parse_event(data: str, name: str = "message") -> StreamEvent:
    """One event's data as JSON. Without a ``type`` of its own it takes the event's name.

    What has another name than the format's is skipped later, so its data need not be JSON. An error
    is one by its name, by its type or, without either, by its shape.
    """
    try:
        event = from_json(data, allow_inf_nan=False) if data.strip() else {}
    except ValueError:
        event = _with_halves(data, name)
    if type(event) is not dict:
        if name == "error":
            return {"type": "error", "error": {"message": data}}
        if data.strip() == DONE and name not in ORDERED:
            return {"type": DONE}
        if name == "message" or name in ORDERED:
            raise StreamError(f"the stream sent an event that is not a JSON object: {excerpt_of(data)}")
        return {"type": name}
    kind = event.get("type")
    if type(kind) is str and (kind in NAMED or name != "error"):
        return event
    if name == "error":
        return {**event, "type": "error"} if "error" in event else {"type": "error", "error": event}
    facts = ErrorFacts.read(event)
    if facts is not None and not facts.is_success:
        return {**event, "type": "error"}
    inner = event.get("data")
    if isinstance(inner, dict) and isinstance(said := inner.get("type"), str) and said in NAMED:
        return {**_beside(event), **inner}  # the platform's second envelope around each event
    return {**event, "type": name}


def _beside(envelope: dict[str, Any]) -> dict[str, Any]:
    charged = envelope.get("credits_consumed")
    return {} if charged is None else {"credits_consumed": charged}


def _with_halves(data: str, name: str) -> Any:
    """JSON that the fast parser refuses; halves of characters stay only where a delta may bring the other half."""
    try:
        event = parse_leniently(data)
    except ValueError:
        return data
    delta = event.get("delta") if isinstance(event, dict) else None
    if not isinstance(delta, dict) or event.get("type", name) != "content_block_delta":
        return without_halves(event)
    source, _ = DELTA_FIELDS.get(str(delta.get("type")), ("", ""))
    kept = {source: delta[source]} if source in delta else {}
    return {**without_halves(event), "delta": {**without_halves(delta), **kept}, HALVES: True}
