"""Stream events to chunks, sans-IO. The sum of the chunks is the message that ``invoke`` returns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from aivideoapi_core import ContentBlock, MessageAccumulator, Reply, StreamEvent
from aivideoapi_core.adapter_kit import (
    clean_block,
    cut_place,
    invalid_arguments,
    recovered_call,
    spoiling_end,
)
from langchain_aivideoapi._inbound.fast import arguments_chunk, block_chunk, text_chunk, tool_start_chunk
from langchain_aivideoapi._inbound.message import to_response_metadata, to_usage

STARTED_EARLY: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Blocks that are announced at their start; the input follows at their stop."""
_ARGUMENTS: Final = ("input", "partial_json")


@dataclass(slots=True)
class _OpenBlock:
    """What has been sent of the block that is being streamed; ``fragments``: pieces of tool arguments so far."""

    kind: str
    sent: set[str] = field(default_factory=lambda: {"type"})
    fragments: int = 0


class ChunkTranslator:
    """Feed it every event of one stream in turn, then ask for the ``last`` chunk.

    ``structured`` says how text goes out: as parts of blocks where the reply may hold more than
    text (tools, thinking, citations), else as plain strings, which cost less. Chunks of one shape
    add up to one block of text; the choice must be made before the first of them.

    Usage, credits and the stop reason go out once, on the last chunk, since LangChain adds chunks up.
    """

    def __init__(
        self, accumulator: MessageAccumulator, *, structured: bool = False, with_usage: bool = True
    ) -> None:
        self._accumulator = accumulator
        self._structured = structured
        self._with_usage = with_usage
        self._open: dict[int, _OpenBlock] = {}
        self._next_index = 0
        """After all indices of the wire so far."""

    def feed(self, event: StreamEvent) -> ChatGenerationChunk | None:
        """The chunk that ``event`` is worth, if any. The accumulator has taken the event already."""
        kind = event["type"]
        if kind == "content_block_delta":
            return self._feed_delta(event["index"], event["delta"])
        if kind == "content_block_start":
            return self._start(event["index"], event["content_block"])
        if kind == "content_block_stop":
            return self._stop(event["index"])
        return None

    def _feed_delta(self, index: int, delta: dict[str, Any]) -> ChatGenerationChunk | None:
        match delta.get("type"):
            case "text_delta":
                if not self._structured:
                    return text_chunk(delta["text"])
                if self._open[index].kind != "text":
                    return None  # a block of a type that we do not know goes out whole, at its stop
                self._open[index].sent.add("text")
                return block_chunk({"type": "text", "text": delta["text"], "index": index})
            case "input_json_delta":
                block = self._open[index]
                block.fragments += 1
                # Server tools have no tool_call_chunks; their input goes out whole, at the stop.
                return arguments_chunk(delta["partial_json"], index) if block.kind == "tool_use" else None
            case "thinking_delta" if self._open[index].kind == "thinking":
                self._open[index].sent.add("thinking")
                return block_chunk({"type": "thinking", "thinking": delta["thinking"], "index": index})
            case "citations_delta" if self._open[index].kind == "text":
                self._structured = True  # what comes now of this text is no plain string
                self._open[index].sent.add("citations")
                return block_chunk({"type": "text", "citations": [delta["citation"]], "index": index})
            case _:
                return None  # signatures wait for the stop, as do citations of no text; unknown deltas are skipped

    def _start(self, index: int, block: ContentBlock) -> ChatGenerationChunk | None:
        kind = block.get("type", "")
        self._next_index = max(self._next_index, index + 1)
        if index != 0 or kind != "text":
            # Nobody asked for it, but it is here. Plain strings are always the beginning of block 0: see ``total``.
            self._structured = True
        opened = self._open[index] = _OpenBlock(kind)
        if kind in STARTED_EARLY:
            announced = {name: value for name, value in clean_block(block).items() if name not in _ARGUMENTS}
            opened.sent.update(announced)
            announced["index"] = index
            return tool_start_chunk(announced, index) if kind == "tool_use" else block_chunk(announced)
        if kind in ("text", "thinking") and (said := block.get(kind)):
            return self._feed_delta(index, {"type": f"{kind}_delta", kind: said})
        return None

    def _stop(self, index: int) -> ChatGenerationChunk | None:
        opened, closed = self._open.pop(index), self._accumulator.closed_at(index)
        if opened.kind == "text" and (closed.get("text") or not closed.get("citations")):
            opened.sent.add("text")  # all of it went out, as strings or as parts
        rest = {name: value for name, value in clean_block(closed).items() if name not in opened.sent}
        if (
            opened.kind == "text"
            and self._structured
            and opened.sent == {"type", "text"}
            and not closed["text"]
        ):
            rest = {"text": ""}  # it says that the call before it was not the last thing
        if not rest and opened.sent != {"type"}:
            return None
        chunk = block_chunk({"type": opened.kind, **rest, "index": index})
        if opened.kind == "tool_use":
            closing = _closing_arguments(opened, closed)
            if closing:
                chunk.message.tool_call_chunks = [tool_call_chunk(args=closing, index=index)]  # type: ignore[attr-defined]  # a chunk
        return chunk

    def last(self, reply: Reply) -> ChatGenerationChunk:
        """The chunk that ends the stream; to be made after the body's end, when all credits are known."""
        message = AIMessageChunk(
            content=[] if self._structured else "",
            response_metadata=to_response_metadata(reply),
            usage_metadata=to_usage(reply) if self._with_usage else None,
            chunk_position="last",
        )
        spoiler = self._spoiler_of_cut_call(reply)
        call = recovered_call(reply.message)
        if call is not None:
            message.content = [{**clean_block(call), "index": self._next_index}]
            arguments = json.dumps(call["input"], ensure_ascii=False)
            piece = tool_call_chunk(name=call["name"], args=arguments, id=call["id"], index=self._next_index)
            message.tool_call_chunks = [piece]
        elif spoiler is not None:
            message.tool_call_chunks = [spoiler]
        return ChatGenerationChunk(message=message)

    def _spoiler_of_cut_call(self, reply: Reply) -> Any:
        content = reply.message["content"]
        place = cut_place(content, reply.message["stop_reason"])
        if place is None or "partial_json" in (block := content[place]):
            return None  # no call, or spoilt at its stop already
        return tool_call_chunk(
            args=spoiling_end(json.dumps(block.get("input") or {})), index=self._next_index - 1
        )


def _closing_arguments(opened: _OpenBlock, closed: ContentBlock) -> str:
    """What the pieces of arguments still lack at the block's stop."""
    raw = invalid_arguments(closed, cut=False)
    if raw is not None:
        return spoiling_end(raw) if opened.fragments else raw + spoiling_end(raw)
    if not opened.fragments and closed.get("input"):
        # Some servers send the whole input at the start, and no pieces.
        return json.dumps(closed["input"], ensure_ascii=False)
    return ""
