"""One reply, sans-IO: a whole body, or a stream read piece by piece, to a message or its typed error."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from pydantic_core import to_json

from aivideoapi_core._errors import (
    AIVideoAPIError,
    APIStatusError,
    IncompleteStreamError,
    InvalidInputError,
    ResponseFormatError,
    StreamError,
)
from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._inbound.error_bodies import ErrorFacts, error_from_payload
from aivideoapi_core._inbound.events import DONE, NAMED, EventDecoder
from aivideoapi_core._inbound.sse import BOM
from aivideoapi_core._inbound.whole import (
    BLANKS,
    ReplyHead,
    billed_error,
    events_of,
    frame_message,
    lines_as_stream,
    message_in,
    normalised,
    parse_json,
    says_content,
)
from aivideoapi_core._received import Message, StreamEvent
from aivideoapi_core._secrets import EXCERPT_CHARS, excerpt_of, redact

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""A whole reply that grows beyond this is refused, so that a broken server cannot fill the memory."""

_CONTENT: Final = frozenset({"content_block_start", "content_block_delta", "message_delta", "message_stop"})
_STREAM_STARTS: Final = (b"event:", b"data:", b"id:", b"retry:", b":")
_MAX_BLANKS: Final = 4096
_PLAIN_HEAD: Final = ReplyHead()


def parse_body(body: bytes, head: ReplyHead = _PLAIN_HEAD) -> Message:
    """Parse a whole reply; credits reported inside ``usage`` move to the top level.

    A server that streamed although it was told not to is understood, and so is one that puts the message
    into the platform's second envelope. Raises the typed error of the table if the body is an error in
    disguise (that envelope with HTTP 200), and ``ResponseFormatError`` if it is nothing known.
    """
    try:
        is_stream = body.lstrip(BLANKS).removeprefix(BOM).lstrip(BLANKS).startswith(_STREAM_STARTS)
    except (AttributeError, TypeError):
        raise InvalidInputError(f"a body is bytes, as they came, not a {type(body).__name__}") from None
    if is_stream:
        return _parse_streamed(body, head)
    payload = parse_json(body)
    message = message_in(payload)
    if message is not None:
        return normalised(message)
    if payload is None and (stream := lines_as_stream(body)) is not None:
        return _parse_streamed(stream, head)
    for said in (payload, payload.get("data") if isinstance(payload, dict) else None):
        facts = ErrorFacts.read(said)
        if facts is not None and not facts.is_success:
            raise billed_error(head.error_of(said, body), says_content(payload))
    excerpt = excerpt_of(body, head.secret)
    raise ResponseFormatError(
        f"the server answered {head.status_code} with a body that is not a message: {excerpt or '(empty)'}",
        status_code=head.status_code,
        request_id=head.request_id,
        body=excerpt or None,
    )


def is_whole(body: bytes) -> bool:
    """Whether a message had come to its end in ``body``, whatever became of the connection then."""
    reader = StreamReader()
    with suppress(AIVideoAPIError):
        for source in (reader.feed(body), reader.rescue()):
            for _ in source:
                pass
    return reader.accumulator.done


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


class StreamReader:
    """One streamed reply: bytes in, events out, with the message accumulated on the way.

    Whatever the server's wording, the events that come out are those of the official sequence. A body
    that is not a stream at all (JSON or HTML from a server that had something else to say) is read to
    its end: a message becomes its events, anything else its typed error. So does a whole message that
    comes as one frame.

    ``begun`` says whether content has been handed over; after that a caller has part of the answer.
    """

    def __init__(self, head: ReplyHead = _PLAIN_HEAD) -> None:
        self.accumulator = MessageAccumulator()
        self.begun = False
        self.head = head
        self._decoder = EventDecoder()
        self._whole: bytearray | None = None
        self._first: bytearray | None = bytearray()
        self._deaf = False
        self._strange = False
        """Whether an event came that is none of the format's."""
        self._snapshot: dict[str, Any] | None = None
        """A message that came as one frame and does not say that it is finished."""
        self._seen = bytearray()
        """The beginning of the body, to be quoted if it holds no message."""

    @property
    def touched(self) -> bool:
        """Whether anything but comments, pings and errors has arrived, be it half an event: it has been billed."""
        return (
            self.accumulator.begun
            or self._strange
            or bool(self._whole)
            or (self._first is not None and bool(_stripped(self._first)))
            or self._decoder.stray
            or self._decoder.pending
        )

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
        elif len(self._seen) < EXCERPT_CHARS:
            self._seen += chunk[: 4 * EXCERPT_CHARS]
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
        """Hold bytes back until the first that are not blank tell a stream from a whole body."""
        first += chunk
        start = _stripped(first)
        if not start:  # servers send blank lines while they work, for minutes: the last one is enough
            line = max(first.rfind(b"\n"), first.rfind(b"\r"))
            if line > 0 and not first[:line].strip(BLANKS):
                del first[:line]
        if len(first) <= _MAX_BLANKS and any(known.startswith(start) for known in _STREAM_STARTS):
            return b""
        self._first = None
        if start and not start.startswith(_STREAM_STARTS):
            self._whole = bytearray()
            return bytes(first).lstrip(BLANKS)  # how many were dropped before is chance
        return bytes(first)

    def finish(self) -> Iterator[StreamEvent]:
        """Yield what the end of the body completes. Raises ``IncompleteStreamError`` if it came too early."""
        accumulator = self.accumulator
        if self._first and _stripped(self._first):  # too little to tell a stream by: half of its first line
            yield from self._push(self._decoder.feed(bytes(self._first)))
            self._first = None
        if self._whole is not None:
            yield from self._push(events_of(parse_body(bytes(self._whole), self.head)))
        elif not accumulator.done and not self._deaf:
            yield from self._push(iter(self._decoder.finish()))
        if not accumulator.begun and self._snapshot is not None:
            yield from self._push(events_of(normalised(self._snapshot)))
        if accumulator.may_end and not accumulator.done and not self._decoder.pending:
            yield from accumulator.end()
        if not accumulator.done:
            raise self._too_early()

    def rescue(self) -> Iterator[StreamEvent]:
        """Yield what had come whole when the connection broke: a message, or an event that lacks its blank line."""
        if self._whole is not None:
            message = message_in(parse_json(bytes(self._whole)))
            if message is not None:
                yield from self._push(events_of(normalised(message)))
        elif not self.accumulator.done and not self._deaf:
            yield from self._push(iter(self._decoder.finish()))

    def described(self, error: StreamError) -> StreamError:
        """``error`` with the request id and the message so far, and without the key."""
        error.message = redact(error.message, self.head.secret)
        error.args = (error.message,)
        error.request_id = self.head.request_id
        error.partial = self.accumulator.partial()
        return error

    def _too_early(self) -> StreamError:
        """The error of a body that ended before the message did, quoting it if there was no message at all."""
        text = "the stream ended before message_stop"
        if not self.accumulator.begun and self.touched:
            seen = excerpt_of(bytes(self._seen), self.head.secret)
            strange = self._strange or self._decoder.stray
            text = f"the stream holds no message: {seen}" if strange else f"{text}: {seen}"
        error = IncompleteStreamError(text)
        error.retryable = not self.touched
        return self.described(error)

    def _push_one(self, event: StreamEvent) -> Sequence[StreamEvent]:
        """``_push`` for a delta, which is what nearly all events of a stream are."""
        accumulator = self.accumulator
        done = accumulator.done
        try:
            events = accumulator.push(event)
        except StreamError as error:
            raise self.described(error)  # noqa: B904 - the same error, with more facts
        return () if done else events

    def _push(self, events: Iterator[StreamEvent]) -> Iterator[StreamEvent]:
        accumulator = self.accumulator
        try:
            for event in () if accumulator.done else events:
                for said in self._taken(event):
                    if not self.begun and said["type"] in _CONTENT and accumulator.begun:
                        self.begun = True
                    yield said
                if accumulator.done:
                    break
            for event in events:
                accumulator.push(event)  # for the credits; what else follows the end is not for the caller
        except StreamError as error:
            if not accumulator.done:
                raise self.described(error)  # noqa: B904 - the same error, with more facts
            self._deaf = True

    def _taken(self, event: StreamEvent) -> Iterable[StreamEvent]:
        """What the accumulator makes of ``event``; raises the typed error that an ``error`` event stands for."""
        accumulator, kind = self.accumulator, event["type"]
        if kind in NAMED:
            if kind == "error":
                raise self._error_of(event)
            self._strange = self._strange or not (accumulator.begun or kind == "ping")
            return accumulator.push(event)
        if kind == DONE and accumulator.may_end:
            return accumulator.end()
        if accumulator.begun:
            return accumulator.push(event)
        self._strange = self._strange or len(event) > 1 or kind != "message"
        message = frame_message(event)
        if message is None:
            return accumulator.push(event)
        if message.get("stop_reason"):
            return itertools.chain.from_iterable(map(accumulator.push, events_of(normalised(message))))
        self._snapshot = message
        return ()

    def _error_of(self, event: StreamEvent) -> APIStatusError:
        head = self.head
        error = error_from_payload(
            event,
            request_id=head.request_id,
            retry_after_s=head.retry_after_s,
            body=to_json(event),
            secret=head.secret,
            partial=self.accumulator.partial(),
            model=head.model,
        )
        return billed_error(error, self.touched or says_content(event))


def _stripped(first: bytearray) -> bytes:
    """The beginning of a body without blanks and the byte-order mark; one that is not whole counts as blank."""
    start = bytes(first).lstrip(BLANKS)
    return b"" if BOM.startswith(start) else start.removeprefix(BOM).lstrip(BLANKS)
