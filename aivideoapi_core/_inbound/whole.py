"""A whole reply: the message that a body's JSON is or holds, as this project has it, or what its error needs to know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple, cast

from pydantic import SecretStr
from pydantic_core import from_json

from aivideoapi_core._catalogue.amounts import parse_reported
from aivideoapi_core._errors import APIStatusError, StreamError
from aivideoapi_core._inbound.accumulator import assembled
from aivideoapi_core._inbound.blocks import (
    OpenBlock,
    is_block,
    is_tool_use,
    label,
    read_arguments,
    read_citations,
)
from aivideoapi_core._inbound.error_bodies import ErrorFacts, error_from_payload
from aivideoapi_core._inbound.events import EventDecoder, is_event_line
from aivideoapi_core._inbound.halves import mended
from aivideoapi_core._inbound.lenient_json import parse_leniently
from aivideoapi_core._inbound.sse import BOM
from aivideoapi_core._received import ContentBlock, Message, StreamEvent

BLANKS: Final = b" \t\r\n"
_PADDING: Final = BLANKS + b"\0"


class ReplyHead(NamedTuple):
    """What the head of a reply says, for the errors that its body may turn out to be."""

    status_code: int = 200
    request_id: str | None = None
    retry_after_s: float | None = None
    should_retry: bool | None = None
    secret: SecretStr | None = None
    model: str | None = None
    """The id that was asked for."""

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
            model=self.model,
        )


def parse_json(body: bytes, *, cut: bool = False) -> Any:
    """``body`` as JSON, or ``None`` if it is not. ``cut``: only its beginning is there.

    Halves of characters, which the parser refuses, become U+FFFD.
    """
    body = body.removeprefix(BOM).strip(_PADDING)
    for text in (body, None):
        try:
            return from_json(
                mended(body) if text is None else text,
                allow_inf_nan=False,
                allow_partial="trailing-strings" if cut else False,
            )
        except ValueError:
            continue
    with suppress(ValueError):
        return parse_leniently(mended(body).decode())
    return None


def lines_as_stream(body: bytes) -> bytes | None:
    """A body of events, one on each line (``application/x-ndjson``), as a stream; ``None`` if it is none."""
    lines = [line for line in body.removeprefix(BOM).splitlines() if line.strip()]
    if len(lines) < 2 or not is_event_line(lines[0]):
        return None
    return b"".join(b"data: %b\n\n" % line for line in lines)


def error_in(body: bytes, *, cut: bool = False) -> Any:
    """The JSON of an error's body, which some servers word as a stream of one event; ``None`` if there is none."""
    payload = parse_json(body, cut=cut)
    if payload is None and body.lstrip().startswith((b"event:", b"data:")):
        with suppress(StreamError):
            events = EventDecoder().feed(body + b"\n\n")
            return next((event for event in events if event["type"] == "error"), None)
    return payload


def message_in(payload: Any) -> dict[str, Any] | None:
    """The message that ``payload`` is, or that the envelope ``{"code": 200, "data": {...}}`` holds."""
    if _is_message(payload):
        return cast("dict[str, Any]", payload)
    if _is_plain_message(payload):
        return {**payload, "content": [{"type": "text", "text": payload["content"]}]}
    if not isinstance(payload, dict) or payload.get("error"):
        return None
    facts = ErrorFacts.read(payload)
    if facts is not None and not facts.is_success:
        return None
    for field in ("data", "message"):
        inner = message_in(payload.get(field)) if isinstance(payload.get(field), dict) else None
        if inner is not None:
            beside = payload.get("credits_consumed")
            return inner if beside is None else {**inner, "credits_consumed": beside}
    return None


def normalised(payload: dict[str, Any]) -> Message:
    usage = payload.get("usage")
    usage = dict(usage) if isinstance(usage, dict) else {}
    reported = usage.pop("credits_consumed", None)
    if parse_reported(payload.get("credits_consumed")) is not None:
        reported = payload["credits_consumed"]
    head = {field: value for field, value in payload.items() if field != "credits_consumed"}
    content = [
        _whole_block(block, payload.get("id"), place) for place, block in enumerate(payload["content"])
    ]
    return assembled(head, content, usage, reported)


def _whole_block(block: ContentBlock, message_id: Any, place: int) -> ContentBlock:
    """``block`` with arguments as an object and texts as texts, whatever the server made of them."""
    if block.get("citations"):
        block = {**block, "citations": read_citations(block["citations"])}
    if (kind := block["type"]) in ("text", "thinking") and not isinstance(block.get(kind), str):
        return {**block, kind: ""}
    block = dict(block)
    label(block, message_id=message_id, place=place)
    if not is_tool_use(block):
        return block
    arguments, raw = read_arguments(block.get("input"))
    return {**block, "input": arguments} | ({} if raw is None else {"partial_json": raw})


def _is_message(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and not payload.get("error")  # some say in every answer that there is none
        and isinstance(payload.get("content"), list)
        and all(map(is_block, payload["content"]))
    )


def _is_plain_message(payload: Any) -> bool:
    """Whether it is a message whose content is one text, as a request's may be."""
    return (
        isinstance(payload, dict)
        and not payload.get("error")
        and payload.get("type") == "message"
        and isinstance(payload.get("content"), str)
    )


def frame_message(event: StreamEvent) -> dict[str, Any] | None:
    """The whole message that one frame of a stream holds, if that is plain to see.

    Plainer than of a body: a stream may carry much else that has some ``content``.
    """
    message = message_in(event)
    if message is None or message.get("role", "assistant") != "assistant":
        return None
    says_more = any(message.get(field) is not None for field in _MARKS)
    return message if says_more and (message["content"] or message.get("stop_reason")) else None


_MARKS: Final = ("id", "role", "model", "usage", "stop_reason")
"""One of these stands beside the content of any message."""


def events_of(message: Message) -> Iterator[StreamEvent]:
    """The stream that would have carried ``message``, for a server that sent it whole instead."""
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        # A start may hold the whole block: the wire's own servers do so for server tool results.
        said, deltas = OpenBlock(block).opened()
        yield {"type": "content_block_start", "index": index, "content_block": said}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    outcome = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": outcome, "usage": message["usage"]}
    yield {"type": "message_stop"}


def says_content(payload: Any) -> bool:
    """Whether some of an answer stands beside an error."""
    return isinstance(payload, dict) and (bool(payload.get("content")) or says_content(payload.get("data")))


def billed_error(error: APIStatusError, billed: bool) -> APIStatusError:
    if billed:
        error.billed, error.retryable = True, False
    return error
