"""From an answer to bytes: the whole JSON body, or the frames of the event stream, written by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aivideoapi_core.sandbox._script.replies import Reply

Json = dict[str, Any]

_WORDS_PER_DELTA: Final = 3
_JSON_CHARACTERS_PER_DELTA: Final = 14
_WORD: Final = re.compile(r"\s*\S{1,24}|\s+$")
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
PLAIN_STYLE: Final = Reply()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One finished answer in wire terms; ``style`` says how a stream is to look."""

    id: str
    model: str
    content: Sequence[Mapping[str, Any]]
    stop_reason: str
    stop_sequence: str | None
    usage: Json
    credits_consumed: float | int | None = None
    style: Reply = field(default=PLAIN_STYLE)


def to_json(value: object) -> str:
    """Compact JSON, non-ASCII characters kept as they are."""
    return _ENCODER.encode(value)


def message_object(answer: Answer) -> Json:
    """The body of a call without streaming."""
    style = answer.style
    message = {
        **_message_head(answer),
        "content": [_whole_block(block) for block in answer.content],
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "usage": answer.usage,
    }
    if style.usage_at == "none":
        del message["usage"]
    if answer.credits_consumed is not None and style.credits_at is not None:
        message["credits_consumed"] = answer.credits_consumed
    return message


def _whole_block(block: Mapping[str, Any]) -> Json:
    """The block; tool input that was cut inside its JSON is text until here and has no value as a whole."""
    if block.get("type") == "tool_use" and isinstance(block.get("input"), str):
        return {**block, "input": {}}
    return dict(block)


def frames(answer: Answer) -> list[bytes]:
    """The event stream, one entry per event (comments and a BOM ride on an event's entry)."""
    style = answer.style
    result: list[bytes] = []
    for number, event in enumerate(events(answer)):
        prefix = f": comment {number}{style.newline}" if style.comments else ""
        frame = (prefix + _frame_text(event, style)).encode("utf-8", "backslashreplace")
        if style.bom and number == 0:
            frame = b"\xef\xbb\xbf" + frame
        result.append(frame)
    return result


def frame(event: Mapping[str, Any], style: Reply = PLAIN_STYLE) -> bytes:
    """One event as bytes."""
    return _frame_text(event, style).encode("utf-8", "backslashreplace")


def _frame_text(event: Mapping[str, Any], style: Reply) -> str:
    newline = style.newline
    name = f"event: {event['type']}{newline}" if style.event_names else ""
    if style.multiline:
        lines = json.dumps(event, ensure_ascii=False, indent=1).split("\n")
        data = "".join(f"data: {line}{newline}" for line in lines)
    else:
        data = f"data: {to_json(event)}{newline}"
    return f"{name}{data}{newline}"


def events(answer: Answer) -> Iterator[Json]:
    """The events of one answer in the official order, with the oddities its style asks for."""
    style = answer.style
    yield _message_start(answer)
    yield from (dict(extra) for extra in style.extra_events)
    pings = style.pings
    for index, block in enumerate(answer.content):
        yield {"type": "content_block_start", "index": index, "content_block": _opened(block, style)}
        for _ in range(min(pings, 1) if index + 1 < len(answer.content) else max(pings, 0)):
            pings -= 1
            yield {"type": "ping"}
        if index == 0:
            for extra in style.extra_deltas:
                yield {"type": "content_block_delta", "index": 0, "delta": dict(extra)}
        for delta in _deltas(block, style):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield _message_delta(answer)
    if answer.credits_consumed is not None and style.credits_at == "event":
        yield {"type": "credits", "credits_consumed": answer.credits_consumed}
    stop: Json = {"type": "message_stop"}
    if answer.credits_consumed is not None and style.credits_at == "message_stop":
        stop["credits_consumed"] = answer.credits_consumed
    yield stop


def _message_head(answer: Answer) -> Json:
    return {"id": answer.id, "type": "message", "role": "assistant", "model": answer.model}


def _message_start(answer: Answer) -> Json:
    style = answer.style
    message = {**_message_head(answer), "content": [], "stop_reason": None, "stop_sequence": None}
    if style.usage_at == "both":
        first = {key: value for key, value in answer.usage.items() if key != "output_tokens_details"}
        final_output = answer.usage.get("output_tokens")
        small = min(final_output, 1) if isinstance(final_output, int) else final_output
        message["usage"] = {**first, "output_tokens": small}
    elif style.usage_at == "start":
        message["usage"] = answer.usage
    elif style.usage_at == "delta":
        message["usage"] = {"input_tokens": 0, "output_tokens": 0}
    if answer.credits_consumed is not None and style.credits_at == "message_start":
        message["credits_consumed"] = answer.credits_consumed
    return {"type": "message_start", "message": message}


def _message_delta(answer: Answer) -> Json:
    style = answer.style
    event: Json = {
        "type": "message_delta",
        "delta": {"stop_reason": answer.stop_reason, "stop_sequence": answer.stop_sequence},
    }
    if style.usage_at == "both":
        once = ("service_tier", "cache_creation")
        event["usage"] = {key: value for key, value in answer.usage.items() if key not in once}
    elif style.usage_at == "delta":
        event["usage"] = dict(answer.usage)
    if answer.credits_consumed is not None:
        if style.credits_at == "usage":
            event["usage"] = {**event.get("usage", {}), "credits_consumed": answer.credits_consumed}
        elif style.credits_at == "message_delta":
            event["credits_consumed"] = answer.credits_consumed
    return event


def _opened(block: Mapping[str, Any], style: Reply) -> Json:
    """The block as its ``content_block_start`` shows it: what the deltas bring is empty."""
    match block.get("type"):
        case "text":
            opened = {**block, "text": ""}
            if "citations" in block:
                opened["citations"] = []
            return opened
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "tool_use" | "server_tool_use":
            if style.tool_input_style == "start":
                return dict(block)
            if style.tool_input_style == "none":
                return {key: value for key, value in block.items() if key != "input"}
            return {**block, "input": {}}
        case _:
            return dict(block)


def _deltas(block: Mapping[str, Any], style: Reply) -> Iterator[Json]:
    match block.get("type"):
        case "text":
            for piece in split_text(block["text"], style.pieces):
                yield {"type": "text_delta", "text": piece}
            for citation in block.get("citations") or ():
                yield {"type": "citations_delta", "citation": citation}
        case "thinking":
            for piece in split_text(block.get("thinking", ""), style.pieces):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block.get("signature", "")}
        case "tool_use" | "server_tool_use" if style.tool_input_style != "start":
            yield {"type": "input_json_delta", "partial_json": ""}
            given = block.get("input")
            text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
            for piece in _split_json(text if given else "", style.pieces):
                yield {"type": "input_json_delta", "partial_json": piece}


def split_text(text: str, pieces: int | Sequence[str] | None) -> list[str]:
    """Cut ``text`` into deltas: given pieces if they make it up, else so many characters, else words."""
    if isinstance(pieces, int):
        return [text[start : start + pieces] for start in range(0, len(text), max(pieces, 1))]
    if pieces is not None and "".join(pieces) == text:
        return list(pieces)
    words = _WORD.findall(text)
    return [
        "".join(words[start : start + _WORDS_PER_DELTA]) for start in range(0, len(words), _WORDS_PER_DELTA)
    ]


def _split_json(text: str, pieces: int | Sequence[str] | None) -> list[str]:
    if pieces is not None and not isinstance(pieces, int) and "".join(pieces) == text:
        return list(pieces)
    size = max(pieces, 1) if isinstance(pieces, int) else _JSON_CHARACTERS_PER_DELTA
    return [text[start : start + size] for start in range(0, len(text), size)]
