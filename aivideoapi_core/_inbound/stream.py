"""Streams, sans-IO: ``EventDecoder`` (bytes to events) and ``MessageAccumulator`` (events to message)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final, cast

from pydantic_core import from_json

from aivideoapi_core._errors import IncompleteStreamError, StreamError
from aivideoapi_core._inbound.error_bodies import ErrorFacts
from aivideoapi_core._inbound.sse import SSEDecoder, check_size
from aivideoapi_core._received import ContentBlock, Message, StreamEvent
from aivideoapi_core._secrets import excerpt_of


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

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._tail) or (self._plain is not None and self._plain.pending)

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

    @staticmethod
    def _feed_plain(decoder: SSEDecoder, chunk: bytes) -> Iterator[StreamEvent]:
        for name, data in decoder.feed(chunk):
            yield parse_event(data, name)

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


_LF: Final = 10


def _parse_frame(frame: bytes) -> StreamEvent | None:
    """The event in ``frame``, a block of lines without the blank one, if its form is the common one."""
    start = frame.find(b"data:")
    if start < 0 or (start > 0 and frame[start - 1] != _LF) or frame.find(b"\n", start) >= 0:
        return None
    try:
        event = from_json(frame[start + 5 :], allow_inf_nan=False)
    except ValueError:
        return None
    if type(event) is dict and type(kind := event.get("type")) is str and kind in _NAMED:
        return event
    return None


def parse_event(data: str, name: str = "message") -> StreamEvent:
    """One event's data as JSON. Without a ``type`` of its own it takes the event's name.

    What has another name than the format's is skipped later, so its data need not be JSON. An error
    is one by its name, by its type or, without either, by its shape.
    """
    try:
        event = from_json(data, allow_inf_nan=False) if data.strip() else {}
    except ValueError:
        event = data
    if type(event) is not dict:
        if name == "error":
            return {"type": "error", "error": {"message": data}}
        if name == "message" or name in _ORDERED:
            raise StreamError(f"the stream sent an event that is not a JSON object: {excerpt_of(data)}")
        return {"type": name}
    kind = event.get("type")
    if type(kind) is str and (kind in _NAMED or name != "error"):
        return event
    if name == "error":
        return {**event, "type": "error"} if "error" in event else {"type": "error", "error": event}
    facts = ErrorFacts.read(event)
    event["type"] = name if facts is None or facts.is_success else "error"
    return event


class _Phase(Enum):
    START = auto()
    OPEN = auto()
    CLOSING = auto()
    """A stop reason was given: no content may follow."""
    DONE = auto()


_NEXT: Final[Mapping[tuple[_Phase, str], _Phase]] = {
    (_Phase.START, "message_start"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_start"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_delta"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_stop"): _Phase.OPEN,
    (_Phase.OPEN, "message_delta"): _Phase.OPEN,
    (_Phase.OPEN, "message_stop"): _Phase.DONE,
    (_Phase.CLOSING, "message_delta"): _Phase.CLOSING,
    (_Phase.CLOSING, "message_stop"): _Phase.DONE,
}
"""The official order. Events that are not named here are skipped, in any phase."""

_ORDERED: Final = frozenset(kind for _, kind in _NEXT)
_NAMED: Final = _ORDERED | {"ping", "error"}
"""Every event type of the format."""

_DELTA_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("partial_json", "input"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "compaction_delta": ("content", "content"),
}
"""Delta type: the field of the delta, and the field of the block that its text is appended to."""


_FIELDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"text"}),
    "thinking": frozenset({"thinking", "signature"}),
    "tool_use": frozenset({"input"}),
}
"""What may be streamed into a block of a known type; into others anything may."""


class _OpenBlock:
    """A block being streamed: what its start said, and the pieces since then by field."""

    __slots__ = ("block", "citations", "pieces")

    def __init__(self, block: Any) -> None:
        """Raises ``TypeError`` for what is not a block."""
        if not is_block(block) or not all(
            isinstance(block.get(field), kind | None) for field, kind in _FIELD_KINDS
        ):
            raise TypeError("content_block")
        self.block: ContentBlock = dict(block)
        self.pieces: dict[str, list[str]] = {}
        self.citations: list[Any] = []

    def begin(self, field: str, text: str) -> None:
        """The first piece of ``field``. Raises ``TypeError`` where the block has no such field."""
        if field not in _FIELDS_OF.get(self.block["type"], (field,)):
            raise TypeError(field)
        self.pieces[field] = [text]

    def closed(self) -> ContentBlock:
        """The block as a whole reply would have held it.

        Tool arguments that are not (whole) JSON, as when the output limit cut them, stay as text
        in ``partial_json`` beside an empty ``input``.
        """
        block = dict(self.block)
        if block["type"] in ("text", "thinking") and block.get(block["type"]) is None:
            block[block["type"]] = ""
        for field, pieces in self.pieces.items():
            if field in ("text", "thinking", "content"):
                block[field] = "".join((block.get(field) or "", *pieces))
            elif field == "signature":
                block[field] = "".join(pieces)  # replaces what the start said, as the official client does
        if self.citations:
            block["citations"] = [*(block.get("citations") or ()), *self.citations]
        if "input" in self.pieces or is_tool_use(block):
            set_input(block, "".join(self.pieces.get("input", ())))
        return block


_FIELD_KINDS: Final = (("text", str), ("thinking", str), ("citations", list))


def is_block(block: Any) -> bool:
    """Whether ``block`` is a content block of any type, known or not."""
    return isinstance(block, dict) and isinstance(block.get("type"), str)


def is_tool_use(block: ContentBlock) -> bool:
    """Whether ``block`` is a call: ``tool_use``, ``server_tool_use``, ``mcp_tool_use``."""
    return cast("str", block["type"]).endswith("tool_use")


def set_input(block: ContentBlock, text: str) -> None:
    """Put the streamed arguments ``text`` into ``block``, in place; without any, what the start said stays."""
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
            if event.get("credits_consumed") is not None:
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
        content = [blocks[index] for index in sorted(blocks)]
        return assembled(self._head, content, dict(self._usage), self._credits)

    def _push_delta(self, event: StreamEvent) -> None:
        delta = event["delta"]
        kind = delta["type"]
        known = _DELTA_FIELDS.get(kind)
        if known is not None:
            source, target = known
            text = delta[source]
            if type(text) is not str:
                if text is None and kind == "compaction_delta":
                    return  # officially null where nothing could be compacted
                raise TypeError(source)
            block = self._open[event["index"]]
            pieces = block.pieces
            if target in pieces:
                pieces[target].append(text)
            else:
                block.begin(target, text)
        elif kind == "citations_delta":
            self._open[event["index"]].citations.append(delta["citation"])

    def _fold(self, kind: str, event: StreamEvent) -> None:
        match kind:
            case "message_start":
                head = dict(event["message"])
                self._merge_usage(head.pop("usage", None))
                head.pop("credits_consumed", None)
                for index, block in enumerate(head.pop("content", None) or ()):
                    self._closed[index] = _OpenBlock(block).closed()
                self._head = head
            case "content_block_start":
                index = event["index"]
                if type(index) is not int or index in self._open or index in self._closed:
                    raise ValueError(f"index {index!r}")
                self._open[index] = _OpenBlock(event["content_block"])
            case "content_block_stop":
                self.closed_block = self._open.pop(event["index"]).closed()
                self._closed[event["index"]] = self.closed_block
            case "message_delta":
                self._fold_message_delta(event)
            case "content_block_delta":
                self._push_delta(event)
            case "message_stop" if self._open:
                self._phase = _Phase.OPEN
                raise ValueError("a block is still open")

    def _fold_message_delta(self, event: StreamEvent) -> None:
        outcome = event.get("delta") or {}
        beside = {field: event[field] for field in event.keys() - _MESSAGE_DELTA_FIELDS}
        for field, value in (*beside.items(), *outcome.items()):
            if value is not None or field not in self._head:
                self._head[field] = value
        self._merge_usage(event.get("usage"))
        if outcome.get("stop_reason") is not None:
            if self._open:
                raise ValueError("a block is still open")
            self._phase = _Phase.CLOSING

    def _merge_usage(self, usage: Any) -> None:
        """Counts are cumulative: what comes later overwrites, what is absent or null stays.

        A zero after a count stays out as well: a count cannot fall, so the server that sends it does
        not know.
        """
        if not isinstance(usage, dict):
            return
        for name, value in usage.items():
            unknown = value is None or (value == 0 and type(value) is int)
            if name != "credits_consumed" and not (unknown and self._usage.get(name) is not None):
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


_MESSAGE_DEFAULTS: Final[Mapping[str, Any]] = {
    "id": "",
    "type": "message",
    "role": "assistant",
    "model": "",
    "stop_reason": None,
    "stop_sequence": None,
}

_MESSAGE_DELTA_FIELDS: Final = frozenset(
    {"type", "delta", "usage", "credits_consumed", "id", "role", "model", "content"}
)
"""What a ``message_delta`` says beside its outcome, and what it cannot change."""


def _usage_of(message: Any) -> Any:
    return message.get("usage") if isinstance(message, dict) else None


def assembled(
    head: Mapping[str, Any], content: list[ContentBlock], usage: dict[str, Any], reported: Any
) -> Message:
    """A message of known shape: texts are texts, ``credits_consumed`` is there only if it was sent."""
    message = {**_MESSAGE_DEFAULTS, **head, "type": "message", "content": content, "usage": usage}
    for field, default in _MESSAGE_DEFAULTS.items():
        if not isinstance(message[field], str):
            message[field] = default
    if reported is not None:
        message["credits_consumed"] = reported
    return cast("Message", message)
