"""The replies that the benchmark server gives, as prebuilt bytes, and what a reader must make of them.

A scenario is ``<kind>-<size>``, for example ``text-500``: the last part of the base URL before
``/v1/messages``. Each event of a stream travels as one HTTP chunk, as a server that flushes each
token sends it.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

MODEL: Final = "claude-sonnet-4-5-20250929"
INPUT_TOKENS: Final = 21
ANSWER: Final = "The quick brown fox jumps over the lazy dog."
TOOL_NAME: Final = "lookup"
SIGNATURE: Final = "c2lnbmF0dXJl" * 8
AGENT_TURNS: Final = 10
PACED_PIECES: Final = 10
PACE_S: Final = 0.005
"""Seconds between two pieces of a paced stream."""
TOKEN_PACE_S: Final = 1 / 60
"""Seconds between two deltas of a stream that comes token by token, as fast models send them."""


@dataclass(frozen=True, slots=True)
class WireReply:
    """Bytes to send, in pieces; ``pace_s`` seconds apart."""

    pieces: tuple[bytes, ...]
    pace_s: float = 0.0


def words(count: int) -> list[str]:
    """The text deltas of a stream of ``count``."""
    return [f"word{number} " for number in range(count)]


def tool_input(fragments: int) -> dict[str, list[str]]:
    """The tool's arguments, long enough to be cut into ``fragments`` pieces of about nine characters."""
    return {"items": [f"item{number:05d}" for number in range(max(1, fragments * 9 // 13))]}


def cut(text: str, count: int) -> list[str]:
    """``text`` in ``count`` non-empty pieces."""
    bounds = [len(text) * number // count for number in range(count + 1)]
    return [text[start:end] for start, end in itertools.pairwise(bounds)]


def reply_to(scenario: str, body: bytes) -> WireReply:
    """The reply to a request ``body`` sent to ``scenario``."""
    kind, _, size = scenario.partition("-")
    streamed = b'"stream":true' in body or b'"stream": true' in body
    if kind == "agent":
        return agent_reply(body.count(b'"tool_use_id"'), streamed)
    return _fixed_reply(kind, int(size or 0), streamed)


@functools.cache
def agent_reply(turn: int, streamed: bool) -> WireReply:
    """A tool call for each of the first turns, then the answer. ``turn`` counts tool results so far."""
    if turn >= AGENT_TURNS:
        return _fixed_reply("answer", 0, streamed)
    block = {"type": "tool_use", "id": f"toolu_{turn:03d}", "name": TOOL_NAME, "input": {"key": f"k{turn}"}}
    if streamed:
        return WireReply((_http_stream(_tool_events(block, fragments=4)),))
    return WireReply((_http_json(_message([block], stop_reason="tool_use")),))


@functools.cache
def _fixed_reply(kind: str, size: int, streamed: bool) -> WireReply:
    if not streamed:
        return WireReply((_http_json(_message([{"type": "text", "text": ANSWER}])),))
    match kind:
        case "answer":
            return WireReply((_http_stream(_text_events([ANSWER])),))
        case "text":
            return WireReply((_http_stream(_text_events(words(size))),))
        case "tool":
            block = {"type": "tool_use", "id": "toolu_000", "name": TOOL_NAME, "input": tool_input(size)}
            return WireReply((_http_stream(_tool_events(block, fragments=size)),))
        case "think":
            return WireReply((_http_stream(_thinking_events(words(size))),))
        case "first":
            events = list(_text_events(words(size)))
            head = _HEAD_STREAM + b"".join(map(_http_chunk, events[:3]))
            return WireReply((head, b"".join(map(_http_chunk, events[3:])) + _END), PACE_S)
        case "paced":
            return WireReply(tuple(_paced(list(_text_events(words(size))))), PACE_S)
        case "tokens":
            events = [_http_chunk(event) for event in _text_events(words(size))]
            return WireReply((_HEAD_STREAM, *events[:-1], events[-1] + _END), TOKEN_PACE_S)
    raise ValueError(f"no such scenario: {kind}-{size}")


def _paced(events: list[bytes]) -> Iterator[bytes]:
    per_piece = -(-len(events) // PACED_PIECES)
    for start in range(0, len(events), per_piece):
        piece = b"".join(map(_http_chunk, events[start : start + per_piece]))
        yield (
            (_HEAD_STREAM if start == 0 else b"")
            + piece
            + (_END if start + per_piece >= len(events) else b"")
        )


_HEAD_STREAM: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"
)
_END: Final = b"0\r\n\r\n"


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _http_stream(events: Iterator[bytes]) -> bytes:
    return _HEAD_STREAM + b"".join(map(_http_chunk, events)) + _END


def _http_json(message: dict[str, Any]) -> bytes:
    body = json.dumps(message).encode()
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _message(content: list[dict[str, Any]], *, stop_reason: str | None = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": INPUT_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 9,
        },
    }


def _event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event({"type": "content_block_delta", "index": index, "delta": delta})


def _opening() -> bytes:
    return _event({"type": "message_start", "message": _message([], stop_reason=None)})


def _block_start(index: int, block: dict[str, Any]) -> bytes:
    return _event({"type": "content_block_start", "index": index, "content_block": block})


def _block_stop(index: int) -> bytes:
    return _event({"type": "content_block_stop", "index": index})


def _closing(stop_reason: str, output_tokens: int) -> Iterator[bytes]:
    outcome = {"stop_reason": stop_reason, "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": outcome, "usage": {"output_tokens": output_tokens}})
    yield _event({"type": "message_stop"})


def _text_events(texts: list[str], *, index: int = 0) -> Iterator[bytes]:
    if index == 0:
        yield _opening()
    yield _block_start(index, {"type": "text", "text": ""})
    for text in texts:
        yield _delta(index, {"type": "text_delta", "text": text})
    yield _block_stop(index)
    yield from _closing("end_turn", len(texts))


def _tool_events(block: dict[str, Any], *, fragments: int) -> Iterator[bytes]:
    yield _opening()
    yield _block_start(0, {**block, "input": {}})
    for piece in cut(json.dumps(block["input"]), fragments):
        yield _delta(0, {"type": "input_json_delta", "partial_json": piece})
    yield _block_stop(0)
    yield from _closing("tool_use", fragments)


def _thinking_events(texts: list[str]) -> Iterator[bytes]:
    yield _opening()
    yield _block_start(0, {"type": "thinking", "thinking": "", "signature": ""})
    for text in texts:
        yield _delta(0, {"type": "thinking_delta", "thinking": text})
    yield _delta(0, {"type": "signature_delta", "signature": SIGNATURE})
    yield _block_stop(0)
    yield from _text_events([ANSWER], index=1)
