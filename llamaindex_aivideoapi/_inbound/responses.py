"""Stream events as LlamaIndex responses, at a cost per event that does not grow with the answer.

LlamaIndex wants the whole message so far in every response. Built at once that is quadratic: each
response copies the text before it, and each fragment of a tool's arguments would parse all those
before. So a response remembers how far the stream was (two numbers) and builds its ``message`` when
somebody reads it (``late_response``), from the pieces that all responses share. What it shows is what
was known at its own time, whenever it is read, and a list of all responses of a stream stays as small
as the stream.
"""

from __future__ import annotations

from typing import Final

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ContentBlock, MessageRole

from aivideoapi_core import ContentBlock as WireBlock
from aivideoapi_core import MessageAccumulator, StreamEvent
from aivideoapi_core.adapter_kit import StreamedBlock
from llamaindex_aivideoapi._inbound.late_response import late_response
from llamaindex_aivideoapi._inbound.message import to_calls, to_content

_SOURCES: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Delta type: the field that holds its piece of text."""
_SHOWN: Final = frozenset({"text", "thinking", "tool_use"})
"""Blocks that are shown while they stream; a server tool's arguments are its business alone."""


_FINISHED: Final = -1
"""In place of a number of pieces: the last part is complete."""


class ResponseTranslator:
    """Turns the events of one stream into responses; the last response is the caller's to add.

    ``one_call``: of several tool calls the first one is shown.
    """

    def __init__(self, accumulator: MessageAccumulator, *, one_call: bool = False) -> None:
        self._accumulator = accumulator
        self._one_call = one_call
        self._parts: list[StreamedBlock] = []
        self._open: dict[int, StreamedBlock] = {}

    def feed(self, event: StreamEvent) -> ChatResponse | None:
        """The response that ``event`` is worth, if any. The accumulator has taken the event already."""
        kind = event["type"]
        if kind == "content_block_delta":
            return self._feed_delta(event)
        if kind == "content_block_start":
            return self._start(event)
        if kind == "content_block_stop":
            return self._stop(event)
        return None

    def _feed_delta(self, event: StreamEvent) -> ChatResponse | None:
        delta = event["delta"]
        source = _SOURCES.get(delta.get("type", ""))
        if source is None:
            return None
        part = self._open[event["index"]]
        if part.kind not in _SHOWN:
            return None  # a block of another type is shown whole
        piece: str = delta[source]
        if source == "partial_json":
            part.arguments.append(piece)
            return late_response(event, self, len(self._parts), part.arguments.mark)
        part.pieces.append(piece)
        return self._piece(event, part, piece)

    def _start(self, event: StreamEvent) -> ChatResponse | None:
        part = StreamedBlock(event["content_block"])
        if self._one_call and part.kind == "tool_use" and any(p.kind == "tool_use" for p in self._parts):
            # Its events have somewhere to go, and show nothing.
            self._open[event["index"]] = StreamedBlock({"type": ""})
            return None
        self._parts.append(part)
        self._open[event["index"]] = part
        if part.kind == "tool_use":
            return late_response(event, self, len(self._parts), 0)
        # A start may hold the whole block, where a server had nothing to stream.
        if part.kind in ("text", "thinking") and (text := part.start.get(part.kind)):
            part.pieces.append(text)
            return self._piece(event, part, text)
        return None

    def _stop(self, event: StreamEvent) -> ChatResponse | None:
        part = self._open.pop(event["index"])
        part.closed = self._accumulator.closed_at(event["index"])
        return late_response(event, self, len(self._parts), _FINISHED) if part.kind == "tool_use" else None

    def _piece(self, event: StreamEvent, part: StreamedBlock, piece: str) -> ChatResponse:
        parts, count = len(self._parts), len(part.pieces)
        if part.kind == "thinking":
            return late_response(event, self, parts, count, thinking=piece)
        return late_response(event, self, parts, count, text=piece)

    def message_at(self, parts: int, count: int) -> ChatMessage:
        """The message as it was when there were so many parts, the last with so many pieces."""
        wire: list[WireBlock] = []
        for position, part in enumerate(self._parts[:parts], start=1):
            last = position == parts
            if part.closed is not None and (not last or count == _FINISHED):
                wire.append(part.closed)
            else:
                wire.append(part.block_at(count if last else len(part.pieces)))
        blocks: list[ContentBlock] = to_content(wire)
        calls = to_calls(blocks)
        extra = {"tool_calls": calls} if calls else {}
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=extra)
