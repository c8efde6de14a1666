"""One reply, sans-IO: a whole body, or a stream read piece by piece, to a message or its typed error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr
from pydantic_core import from_json, to_json

from aivideoapi_core._errors import APIStatusError, IncompleteStreamError, ResponseFormatError, StreamError
from aivideoapi_core._inbound.accumulator import MessageAccumulator, assembled
from aivideoapi_core._inbound.blocks import is_block, is_tool_use, set_input
from aivideoapi_core._inbound.error_bodies import ErrorFacts, error_from_payload
from aivideoapi_core._inbound.events import EventDecoder
from aivideoapi_core._inbound.sse import BOM
from aivideoapi_core._received import ContentBlock, Message, StreamEvent
from aivideoapi_core._secrets import excerpt_of, redact

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""A whole reply that grows beyond this is refused, so that a broken server cannot fill the memory."""

_CONTENT: Final = frozenset({"content_block_start", "content_block_delta", "message_delta", "message_stop"})
_STREAM_STARTS: Final = (b"event:", b"data:", b"id:", b"retry:", b":")
_BLANKS: Final = b" \t\r\n"
_MAX_BLANKS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyHead:
    """What the head of a reply says, for the errors that its body may turn out to be."""

    status_code: int = 200
    request_id: str | None = None
    retry_after_s: float | None = None
    should_retry: bool | None = None
    secret: SecretStr | None = None

    def error_of(self, payload: Any, body: bytes) -> APIStatusError:
        """The typed error of a body that is not a reply."""
        return error_from_payload(
            payload,
            status_code=self.status_code,
            request_id=self.request_id,
            retry_after_s=self.retry_after_s,
            should_retry=self.should_retry,
            body=body,
            secret=self.secret,
        )


_PLAIN_HEAD: Final = ReplyHead()


def parse_json(body: bytes, *, cut: bool = False) -> Any:
    """``body`` as JSON, or ``None`` if it is not. ``cut``: only its beginning is there."""
    try:
        return from_json(
            body.removeprefix(BOM), allow_inf_nan=False, allow_partial="trailing-strings" if cut else False
        )
    except ValueError:
        return None


def parse_body(body: bytes, head: ReplyHead = _PLAIN_HEAD) -> Message:
    """Parse a whole reply; credits reported inside ``usage`` move to the top level.

    A server that streamed although it was told not to is understood. Raises the typed error of the
    table if the body is an error in disguise (the platform's second envelope with HTTP 200), and
    ``ResponseFormatError`` if it is nothing known.
    """
    if body[:_MAX_BLANKS].removeprefix(BOM).lstrip(_BLANKS).startswith(_STREAM_STARTS):
        return _parse_streamed(body, head)
    payload = parse_json(body)
    if _is_message(payload):
        return _normalised(payload)
    facts = ErrorFacts.read(payload)
    if facts is not None and not facts.is_success:
        raise head.error_of(payload, body)
    excerpt = excerpt_of(body, head.secret)
    raise ResponseFormatError(
        f"the server answered {head.status_code} with a body that is not a message: {excerpt or '(empty)'}",
        status_code=head.status_code,
        request_id=head.request_id,
        body=excerpt or None,
    )


def _parse_streamed(body: bytes, head: ReplyHead) -> Message:
    reader = StreamReader(head)
    try:
        for source in (reader.feed(body), reader.finish()):
            for _ in source:
                pass
    except StreamError as error:
        error.retryable = False  # nobody knows what a server that does so has billed
        raise
    return reader.accumulator.message()


def _normalised(payload: dict[str, Any]) -> Message:
    usage = payload.get("usage")
    usage = dict(usage) if isinstance(usage, dict) else {}
    reported = usage.pop("credits_consumed", None)
    if payload.get("credits_consumed") is not None:
        reported = payload["credits_consumed"]
    head = {field: value for field, value in payload.items() if field != "credits_consumed"}
    return assembled(head, [_whole_block(block) for block in payload["content"]], usage, reported)


def _whole_block(block: ContentBlock) -> ContentBlock:
    """``block`` with arguments as an object and texts as texts, whatever the server made of them."""
    for field in ("text", "thinking"):
        if block["type"] == field and not isinstance(block.get(field), str):
            return {**block, field: ""}
    if not is_tool_use(block) or isinstance(block.get("input"), dict):
        return block
    given = block.get("input")
    block = {**block, "input": {}}
    if given is not None:
        set_input(block, given if isinstance(given, str) else to_json(given).decode())
    return block


def _is_message(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and payload.get("error") is None
        and isinstance(payload.get("content"), list)
        and all(map(is_block, payload["content"]))
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


class StreamReader:
    """One streamed reply: bytes in, events out, with the message accumulated on the way.

    A body that is not a stream at all (JSON or HTML from a server that had something else to say) is
    read to its end: a message becomes its events, anything else its typed error.

    ``begun`` says whether content has arrived. Before that nothing is of use to the caller, so a
    failure may still be retried as a whole; after it nothing is retried.
    """

    def __init__(self, head: ReplyHead = _PLAIN_HEAD) -> None:
        self.accumulator = MessageAccumulator()
        self.begun = False
        self._decoder = EventDecoder()
        self._whole: bytearray | None = None
        self._first: bytearray | None = bytearray()
        self._deaf = False
        self.head = head

    @property
    def touched(self) -> bool:
        """Whether any of the answer has arrived, be it half an event: then it has been billed."""
        return bool(self._whole) or self._decoder.pending or self.accumulator.partial() is not None

    def feed(self, chunk: bytes) -> Iterable[StreamEvent]:
        """The events that ``chunk`` completes. Exhaust it before the next chunk.

        Raises ``StreamError``, or the typed error that an ``error`` event stands for. After
        ``message_stop`` nothing can fail any more: the message is whole, what follows is noise,
        but for the credits, up to the first thing that is not even an event.
        """
        if self._deaf:
            return ()
        if self.begun:
            event = self._decoder.one(chunk)
            if event is not None:
                return (
                    self._push(iter((event,)))
                    if event["type"] != "content_block_delta"
                    else self._push_one(event)
                )
        if self._first is not None:
            chunk = self._sniff(self._first, chunk)
        if self._whole is None:
            return self._push(self._decoder.feed(chunk))
        self._whole += chunk
        if len(self._whole) > MAX_BODY_BYTES:
            raise ResponseFormatError(
                f"the server sent a body of more than {MAX_BODY_BYTES} bytes",
                request_id=self.head.request_id,
            )
        return iter(())

    def _sniff(self, first: bytearray, chunk: bytes) -> bytes:
        """Hold bytes back until the first that is not blank tells a stream from a whole body."""
        first += chunk
        start = bytes(first[: _MAX_BLANKS + 1]).lstrip(_BLANKS)
        if BOM.startswith(start) and len(first) <= _MAX_BLANKS:
            return b""
        if start.removeprefix(BOM).lstrip(_BLANKS)[:1] in (b"{", b"<"):
            self._whole = bytearray()
        self._first = None
        return bytes(first)

    def finish(self) -> Iterator[StreamEvent]:
        """Yield what the end of the body completes. Raises ``IncompleteStreamError`` if it came too early."""
        if self._whole is not None:
            yield from self._push(events_of(parse_body(bytes(self._whole), self.head)))
        if not self.accumulator.done:
            error = IncompleteStreamError("the stream ended before message_stop")
            error.retryable = not self.touched
            raise self.described(error)

    def described(self, error: StreamError) -> StreamError:
        """``error`` with the request id and the message so far, and without the key."""
        error.message = redact(error.message, self.head.secret)
        error.args = (error.message,)
        error.request_id = self.head.request_id
        error.partial = self.accumulator.partial()
        return error

    def _push_one(self, event: StreamEvent) -> tuple[StreamEvent, ...]:
        """``_push`` for a delta, which is what nearly all events of a stream are."""
        accumulator = self.accumulator
        done = accumulator.done
        try:
            accumulator.push(event)
        except StreamError as error:
            raise self.described(error)  # noqa: B904 - the same error, with more facts
        return () if done else (event,)

    def _push(self, events: Iterator[StreamEvent]) -> Iterator[StreamEvent]:
        accumulator = self.accumulator
        try:
            for event in () if accumulator.done else events:
                kind = event["type"]
                if kind == "error":
                    raise self._error_of(event)
                accumulator.push(event)
                if not self.begun and kind in _CONTENT:
                    self.begun = True
                yield event
                if kind == "message_stop":
                    break
            for event in events:
                accumulator.push(event)  # for the credits; what else follows the end is not for the caller
        except StreamError as error:
            if not accumulator.done:
                raise self.described(error)  # noqa: B904 - the same error, with more facts
            self._deaf = True

    def _error_of(self, event: StreamEvent) -> APIStatusError:
        head = self.head
        error = error_from_payload(
            event,
            request_id=head.request_id,
            retry_after_s=head.retry_after_s,
            body=to_json(event),
            secret=head.secret,
            partial=self.accumulator.partial(),
        )
        if self.begun:
            error.retryable = False  # the caller has part of the answer already
        return error
