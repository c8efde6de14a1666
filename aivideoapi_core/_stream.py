"""Streams, sans-IO: ``EventDecoder`` (bytes to events), ``MessageAccumulator`` (events to message)
and ``StreamReader``, which runs both over one reply and decides what may still be retried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final, cast

from pydantic import SecretStr
from pydantic_core import from_json, to_json

from aivideoapi_core._errors import (
    APIStatusError,
    ErrorFacts,
    IncompleteStreamError,
    ResponseFormatError,
    StreamError,
    error_from_payload,
    excerpt_of,
)
from aivideoapi_core._sse import MAX_EVENT_BYTES, SSEDecoder
from aivideoapi_core._types import ContentBlock, Message, StreamEvent


class EventDecoder:
    """Decode stream events from bytes cut anywhere. Does no I/O.

    The common form (LF, one ``data`` line at the end of each event) is split and parsed as bytes,
    which costs a tenth of the plain way; from the first byte-order mark or CR on, the stream goes
    through ``SSEDecoder``, and so does a single event in any other form.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._begun = False
        self._plain: SSEDecoder | None = None

    def feed(self, chunk: bytes) -> Iterator[StreamEvent]:
        """Yield the events that ``chunk`` completes. Exhaust it before the next chunk.

        Raises ``StreamError`` for what is not a stream event, at that very place: what came before
        is yielded first, however the bytes were cut.
        """
        if self._plain is None and (b"\r" in chunk or (not self._begun and chunk.startswith(b"\xef"))):
            self._plain = SSEDecoder(at_start=not self._begun)
            chunk = b"".join((*self._parts, chunk))
        self._begun = self._begun or bool(chunk)
        if self._plain is None:
            return self._feed_fast(chunk)
        return self._feed_plain(self._plain, chunk)

    @staticmethod
    def _feed_plain(decoder: SSEDecoder, chunk: bytes) -> Iterator[StreamEvent]:
        for name, data in decoder.feed(chunk):
            yield parse_event(data, name)

    def _feed_fast(self, chunk: bytes) -> Iterator[StreamEvent]:
        parts = self._parts
        if parts:
            # A blank line may be cut in two: look at the seam, and join the parts only at an end.
            if b"\n\n" not in chunk and not (chunk.startswith(b"\n") and parts[-1].endswith(b"\n")):
                self._keep(chunk)
                return
            parts.append(chunk)
            chunk = b"".join(parts)
            parts.clear()
            self._size = 0
        *frames, tail = chunk.split(b"\n\n")
        for frame in frames:
            start = frame.find(b"data:")
            if start >= 0 and (start == 0 or frame[start - 1] == _LF) and frame.find(b"\n", start) < 0:
                event = _parse_json(frame[start + 5 :])
                if type(event.get("type")) is str:
                    yield event
                    continue
            yield from self._feed_plain(SSEDecoder(at_start=False), frame + b"\n\n")
        if tail:
            self._keep(tail)

    def _keep(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_EVENT_BYTES:
            raise StreamError(f"the stream sent an event of more than {MAX_EVENT_BYTES} bytes")


_LF: Final = 10


def parse_event(data: str, name: str = "message") -> StreamEvent:
    """One event's data as JSON; its ``type`` falls back to the event's name."""
    event = _parse_json(data)
    if type(event.get("type")) is not str:
        event["type"] = "error" if ErrorFacts.read(event) else name
    return event


def _parse_json(data: bytes | str) -> StreamEvent:
    try:
        event = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise StreamError(f"the stream sent an event that is not JSON: {excerpt_of(data)}") from error
    if type(event) is not dict:
        raise StreamError(f"the stream sent an event that is not a JSON object: {excerpt_of(data)}")
    return event


class _Phase(Enum):
    START = auto()
    OPEN = auto()
    DONE = auto()


_NEXT: Final[Mapping[tuple[_Phase, str], _Phase]] = {
    (_Phase.START, "message_start"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_start"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_delta"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_stop"): _Phase.OPEN,
    (_Phase.OPEN, "message_delta"): _Phase.OPEN,
    (_Phase.OPEN, "message_stop"): _Phase.DONE,
}
"""The official order. Events that are not named here are skipped, in any phase."""

_ORDERED: Final = frozenset(kind for _, kind in _NEXT)

_DELTA_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("partial_json", "input"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
}
"""Delta type: the field of the delta, and the field of the block that its text is appended to."""


class _OpenBlock:
    """A block being streamed: what its start said, and the pieces since then by field."""

    __slots__ = ("block", "citations", "pieces")

    def __init__(self, block: ContentBlock) -> None:
        self.block = block
        self.pieces: dict[str, list[str]] = {}
        self.citations: list[Any] = []

    def closed(self) -> ContentBlock:
        """The block as a whole reply would have held it.

        Tool arguments that are not (whole) JSON, as when the output limit cut them, stay as text
        in ``partial_json`` beside an empty ``input``.
        """
        block = dict(self.block)
        for field, pieces in self.pieces.items():
            if field in ("text", "thinking"):
                block[field] = "".join((block.get(field) or "", *pieces))
            elif field == "signature":
                block[field] = "".join(pieces)  # replaces what the start said, as the official client does
        if self.citations:
            block["citations"] = [*(block.get("citations") or ()), *self.citations]
        if isinstance(block.get("type"), str) and block["type"].endswith("tool_use"):
            _set_input(block, "".join(self.pieces.get("input", ())))
        return block


def _set_input(block: ContentBlock, text: str) -> None:
    if not text.strip():
        block["input"] = {} if block.get("input") is None else block["input"]
        return
    try:
        arguments = from_json(text, allow_inf_nan=False)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        block["input"] = arguments
    else:
        block["input"] = {}
        block["partial_json"] = text


class MessageAccumulator:
    """Fold stream events into the message that a call without streaming would have returned.

    ``closed_block`` is the block that the last ``content_block_stop`` completed.
    """

    def __init__(self) -> None:
        self._phase = _Phase.START
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._credits: Any = None
        self._open: dict[int, _OpenBlock] = {}
        self._closed: dict[int, ContentBlock] = {}
        self.closed_block: ContentBlock | None = None

    @property
    def done(self) -> bool:
        """Whether ``message_stop`` has been seen."""
        return self._phase is _Phase.DONE

    def push(self, event: StreamEvent) -> None:
        """Take the next event. Raises ``StreamError`` if it is out of order or malformed."""
        kind = event["type"]
        if kind == "content_block_delta" and self._phase is _Phase.OPEN and "usage" not in event:
            try:
                self._push_delta(event)
            except (KeyError, TypeError, AttributeError) as error:
                raise self._malformed(event) from error
            if "credits_consumed" in event:
                self._credits = event["credits_consumed"]
            return
        self._take_credits(event)
        if kind not in _ORDERED or self._phase is _Phase.DONE:
            return
        following = _NEXT.get((self._phase, kind))
        if following is None:
            raise self._fail(f"the stream sent {kind} while {self._phase.name}")
        self._phase = following
        try:
            self._fold(kind, event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._malformed(event) from error

    def message(self) -> Message:
        """The whole message. Raises ``IncompleteStreamError`` before ``message_stop``."""
        if not self.done:
            raise IncompleteStreamError("the stream ended before message_stop", partial=self.partial())
        return self._assemble()

    def partial(self) -> Message | None:
        """The message so far, or ``None`` before ``message_start``."""
        return None if self._phase is _Phase.START else self._assemble()

    def _assemble(self) -> Message:
        blocks = {**self._closed, **{index: block.closed() for index, block in self._open.items()}}
        message = {
            **_MESSAGE_DEFAULTS,
            **self._head,
            "content": [blocks[index] for index in sorted(blocks)],
            "usage": dict(self._usage),
        }
        if self._credits is not None:
            message["credits_consumed"] = self._credits
        return cast("Message", message)

    def _push_delta(self, event: StreamEvent) -> None:
        delta = event["delta"]
        kind = delta["type"]
        known = _DELTA_FIELDS.get(kind)
        if known is not None:
            source, target = known
            text = delta[source]
            if type(text) is not str:
                raise TypeError(source)
            pieces = self._open[event["index"]].pieces
            if target in pieces:
                pieces[target].append(text)
            else:
                pieces[target] = [text]
        elif kind == "citations_delta":
            self._open[event["index"]].citations.append(delta["citation"])

    def _fold(self, kind: str, event: StreamEvent) -> None:
        match kind:
            case "message_start":
                head = dict(event["message"])
                self._merge_usage(head.pop("usage", None))
                head.pop("credits_consumed", None)
                for index, block in enumerate(head.pop("content", None) or ()):
                    self._closed[index] = dict(block)
                self._head = {**head, "type": "message"}
            case "content_block_start":
                index, block = event["index"], event["content_block"]
                if type(index) is not int or index in self._open or index in self._closed:
                    raise ValueError(f"index {index!r}")
                self._open[index] = _OpenBlock({"type": "", **block})
            case "content_block_stop":
                self.closed_block = self._open.pop(event["index"]).closed()
                self._closed[event["index"]] = self.closed_block
            case "message_delta":
                self._head |= event.get("delta") or {}
                self._merge_usage(event.get("usage"))
                for field in event.keys() - _MESSAGE_DELTA_FIELDS:
                    self._head[field] = event[field]
            case "content_block_delta":
                self._push_delta(event)

    def _merge_usage(self, usage: Any) -> None:
        """Counts are cumulative: what comes later overwrites, what is absent or null stays."""
        for name, value in (usage or {}).items():
            if name != "credits_consumed" and (value is not None or name not in self._usage):
                self._usage[name] = value

    def _take_credits(self, event: StreamEvent) -> None:
        # UNVERIFIED: where a stream carries the charge is undocumented, so it is accepted at the
        # top level of any event, in message_start's message and in any usage; the last one wins.
        message = event.get("message")
        for holder in (message, _usage_of(message), event, event.get("usage")):
            if isinstance(holder, dict) and holder.get("credits_consumed") is not None:
                self._credits = holder["credits_consumed"]

    def _malformed(self, event: StreamEvent) -> StreamError:
        return self._fail(f"the stream sent a {event['type']} that cannot be read: {excerpt_of(str(event))}")

    def _fail(self, text: str) -> StreamError:
        return StreamError(text, partial=self.partial())


_MESSAGE_DELTA_FIELDS: Final = frozenset({"type", "delta", "usage", "credits_consumed"})


def _usage_of(message: Any) -> Any:
    return message.get("usage") if isinstance(message, dict) else None


_MESSAGE_DEFAULTS: Final[Mapping[str, Any]] = {
    "id": "",
    "type": "message",
    "role": "assistant",
    "model": "",
    "stop_reason": None,
    "stop_sequence": None,
}


def parse_json(body: bytes) -> Any:
    """``body`` as JSON, or ``None`` if it is not."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        return None


def parse_body(
    body: bytes, *, status_code: int = 200, request_id: str | None = None, secret: SecretStr | None = None
) -> Message:
    """Parse a whole reply; credits reported inside ``usage`` move to the top level.

    A server that streamed although it was told not to is understood. Raises the typed error of the
    table if the body is an error in disguise (the platform's second envelope with HTTP 200), and
    ``ResponseFormatError`` if it is nothing known.
    """
    if body.lstrip()[:6] in (b"event:", b"data: ", b"data:{"):
        reader = StreamReader(status_code=status_code, request_id=request_id, secret=secret)
        for source in (reader.feed(body), reader.finish()):
            for _ in source:
                pass
        return reader.accumulator.message()
    payload = parse_json(body)
    if _is_message(payload):
        return _normalised(payload)
    facts = ErrorFacts.read(payload)
    if facts is not None and not facts.is_success:
        raise error_from_payload(
            payload, status_code=status_code, request_id=request_id, body=body, secret=secret
        )
    excerpt = excerpt_of(body, secret)
    raise ResponseFormatError(
        f"the server answered {status_code} with a body that is not a message: {excerpt or '(empty)'}",
        status_code=status_code,
        request_id=request_id,
        body=excerpt or None,
    )


def _normalised(payload: dict[str, Any]) -> Message:
    usage = payload.get("usage")
    usage = dict(usage) if isinstance(usage, dict) else {}
    message = {**_MESSAGE_DEFAULTS, **payload, "usage": usage}
    reported = usage.pop("credits_consumed", None)
    if reported is not None and message.get("credits_consumed") is None:
        message["credits_consumed"] = reported
    return cast("Message", message)


def _is_message(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and "error" not in payload
        and isinstance(payload.get("content"), list)
        and all(
            isinstance(block, dict) and isinstance(block.get("type"), str) for block in payload["content"]
        )
    )


def events_of(message: Message) -> Iterator[StreamEvent]:
    """The stream that would have carried ``message``, for a server that sent it whole instead."""
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        # A start may hold the whole block: the wire's own servers do so for server tool results.
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield {"type": "content_block_stop", "index": index}
    outcome = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": outcome, "usage": message["usage"]}
    yield {"type": "message_stop"}


_CONTENT: Final = frozenset({"content_block_start", "content_block_delta", "message_delta", "message_stop"})

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""A whole reply that grows beyond this is refused, so that a broken server cannot fill the memory."""


class StreamReader:
    """One streamed reply: bytes in, events out, with the message accumulated on the way.

    A body that is not a stream at all (JSON or HTML from a server that had something else to say) is
    read to its end: a message becomes its events, anything else its typed error.

    ``begun`` says whether content has arrived. Before that nothing is of use to the caller, so a
    failure may still be retried as a whole; after it nothing is retried.
    """

    def __init__(
        self, *, status_code: int = 200, request_id: str | None = None, secret: SecretStr | None = None
    ) -> None:
        self.accumulator = MessageAccumulator()
        self.begun = False
        self._decoder = EventDecoder()
        self._whole: bytearray | None = None
        self._sniffed = False
        self._status_code = status_code
        self._request_id = request_id
        self._secret = secret

    def feed(self, chunk: bytes) -> Iterator[StreamEvent]:
        """Yield the events that ``chunk`` completes. Exhaust it before the next chunk.

        Raises ``StreamError``, or the typed error that an ``error`` event stands for. After
        ``message_stop`` nothing can fail any more: the message is whole, what follows is noise,
        but for the credits.
        """
        if not self._sniffed and chunk:
            self._sniffed = True
            if chunk.lstrip()[:1] in (b"{", b"<"):
                self._whole = bytearray()
        if self._whole is None:
            return self._push(self._decoder.feed(chunk))
        self._whole += chunk
        if len(self._whole) > MAX_BODY_BYTES:
            raise ResponseFormatError(f"the server sent a body of more than {MAX_BODY_BYTES} bytes")
        return iter(())

    def finish(self) -> Iterator[StreamEvent]:
        """Yield what the end of the body completes. Raises ``IncompleteStreamError`` if it came too early."""
        if self._whole is not None:
            yield from self._push(events_of(self._parse_whole(bytes(self._whole))))
        if not self.accumulator.done:
            error = IncompleteStreamError("the stream ended before message_stop")
            # Without any event the provider never began, so nothing is billed.
            error.retryable = self.accumulator.partial() is None
            raise self.described(error)

    def described(self, error: StreamError) -> StreamError:
        """``error`` with the request id and the message so far."""
        error.request_id = self._request_id
        error.partial = self.accumulator.partial()
        return error

    def _push(self, events: Iterator[StreamEvent]) -> Iterator[StreamEvent]:
        accumulator = self.accumulator
        try:
            for event in events:
                kind = event["type"]
                if kind == "error" and not accumulator.done:
                    raise self._error_of(event)
                accumulator.push(event)
                if not self.begun and kind in _CONTENT:
                    self.begun = True
                yield event
        except StreamError as error:
            if not accumulator.done:
                raise self.described(error)  # noqa: B904 - the same error, with more facts

    def _parse_whole(self, body: bytes) -> Message:
        return parse_body(
            body, status_code=self._status_code, request_id=self._request_id, secret=self._secret
        )

    def _error_of(self, event: StreamEvent) -> APIStatusError:
        error = error_from_payload(
            event,
            request_id=self._request_id,
            body=to_json(event),
            secret=self._secret,
            partial=self.accumulator.partial(),
        )
        if self.begun:
            error.retryable = False  # the caller has part of the answer already
        return error
