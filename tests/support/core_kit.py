"""What several tests of the core share: streams written by hand, a plain reference decoder, strategies."""

from __future__ import annotations

import codecs
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from aivideoapi_core import EventDecoder, Message, MessageAccumulator, build_payload

NATIVE: Final = "claude-sonnet-4-6"
DIRECT: Final = "claude-sonnet-4-6/anthropic"
ROUTES: Final = (NATIVE, DIRECT)
QUESTION: Final = ({"role": "user", "content": "What is the capital of France?"},)

STREAMS: Final = Path(__file__).parents[1] / "core" / "streams"
"""Byte-exact streams: ``name.sse`` and the message that it carries in ``name.json``."""
STREAM_NAMES: Final = sorted(path.stem for path in STREAMS.glob("*.sse"))


def stream_bytes(name: str) -> bytes:
    """One stream as it came over the wire."""
    return (STREAMS / f"{name}.sse").read_bytes()


def stream_message(name: str) -> Any:
    """The message that the stream ``name`` carries."""
    return json.loads((STREAMS / f"{name}.json").read_text(encoding="utf-8"))


def payload(model: str = NATIVE, *, stream: bool = False, **options: Any) -> dict[str, Any]:
    """A valid request."""
    return build_payload(model, list(QUESTION), stream=stream, **options)


def frame(event: Mapping[str, Any], *, name: bool = True, newline: str = "\n") -> bytes:
    """One event as servers write it."""
    head = f"event: {event['type']}{newline}" if name else ""
    return f"{head}data: {json.dumps(event, ensure_ascii=False)}{newline}{newline}".encode()


def wire(events: Iterable[Mapping[str, Any]], *, newline: str = "\n") -> bytes:
    """A whole stream."""
    return b"".join(frame(event, newline=newline) for event in events)


def accumulate(events: Iterable[Mapping[str, Any]]) -> Message:
    """The message that ``events`` make."""
    accumulator = MessageAccumulator()
    for event in events:
        accumulator.push(dict(event))
    return accumulator.message()


def decode(pieces: Iterable[bytes], decoder: EventDecoder | None = None) -> list[Any]:
    """The events of a stream that arrives in ``pieces``."""
    decoder = decoder or EventDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def cut_at(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """``data`` in pieces, cut at the positions ``cuts``."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


class PlainDecoder:
    """Server-sent events by the letter of the standard, for valid UTF-8: the reference to compare with."""

    def __init__(self) -> None:
        utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = io.IncrementalNewlineDecoder(utf8, translate=True)
        self._tail = self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes, *, final: bool = False) -> list[tuple[str, str]]:
        """The events, as (name, data), that ``chunk`` completes."""
        *lines, self._tail = (self._tail + self._text.decode(chunk, final=final)).split("\n")
        return [event for line in lines if (event := self._feed_line(line)) is not None]

    def _feed_line(self, line: str) -> tuple[str, str] | None:
        field, _, value = line.partition(":")
        if not line:
            event, data = self._event or "message", self._data
            self._event, self._data = "", []
            return (event, "\n".join(data)) if data else None
        if field == "event":
            self._event = value.removeprefix(" ")
        elif field == "data":
            self._data.append(value.removeprefix(" "))
        return None


_TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_OBJECT = st.dictionaries(_TEXT, _JSON, max_size=4)
_TOOL_USE = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["tool_use", "server_tool_use"]),
        "id": st.just("toolu_1"),
        "name": st.just("look_up"),
        "input": _OBJECT,
    }
)
BLOCKS: Final = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": _TEXT}),
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": _TEXT, "citations": st.lists(_OBJECT, min_size=1, max_size=3)}
    ),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": _TEXT, "signature": _TEXT}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": _TEXT}),
    _TOOL_USE,
    st.fixed_dictionaries({"type": st.just("hologram"), "depth": st.integers(0, 9)}),
)
_COUNTS = st.integers(0, 10**6)
USAGES: Final = st.fixed_dictionaries(
    {"input_tokens": _COUNTS, "output_tokens": _COUNTS},
    optional={
        "cache_creation_input_tokens": _COUNTS | st.none(),
        "cache_read_input_tokens": _COUNTS | st.none(),
        "service_tier": st.just("standard"),
        "a_new_count": _COUNTS,
    },
)
MESSAGES: Final = st.fixed_dictionaries(
    {
        "id": _TEXT,
        "type": st.just("message"),
        "role": st.just("assistant"),
        "model": _TEXT,
        "content": st.lists(BLOCKS, max_size=4),
        "stop_reason": st.sampled_from(["end_turn", "tool_use", "max_tokens", "a_new_reason"]),
        "stop_sequence": st.none() | _TEXT,
        "usage": USAGES,
    },
    optional={"credits_consumed": st.integers(0, 99), "container": _OBJECT},
)


def split_events(message: Mapping[str, Any], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """The official stream of ``message``, its texts cut into deltas of the given sizes, in turn."""
    head = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    head.pop("credits_consumed", None)
    events: list[dict[str, Any]] = [{"type": "message_start", "message": head}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        opened, deltas = _opened(block, sizes)
        events.append({"type": "content_block_start", "index": index, "content_block": opened})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    outcome = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    last: dict[str, Any] = {"type": "message_delta", "delta": outcome, "usage": message["usage"]}
    if "credits_consumed" in message:
        last["credits_consumed"] = message["credits_consumed"]
    return [*events, last, {"type": "message_stop"}]


def _opened(block: Mapping[str, Any], sizes: Sequence[int]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"], sizes)]
            citations = block.get("citations", ())
            deltas += [{"type": "citations_delta", "citation": citation} for citation in citations]
            return {"type": "text", "text": ""}, deltas
        case "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"], sizes)
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        case "tool_use" | "server_tool_use":
            text = json.dumps(block["input"]) if block["input"] else ""
            deltas = [
                {"type": "input_json_delta", "partial_json": piece} for piece in ["", *_pieces(text, sizes)]
            ]
            return {**block, "input": {}}, deltas
        case _:
            return dict(block), []


def _pieces(text: str, sizes: Sequence[int]) -> list[str]:
    pieces, start = [], 0
    for number in range(len(text)):
        if start >= len(text):
            break
        size = sizes[number % len(sizes)]
        pieces.append(text[start : start + size])
        start += size
    return pieces
