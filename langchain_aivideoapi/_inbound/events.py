"""Stream events to LangChain's own protocol events (``stream_events(version="v3")``), sans-IO."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_core.messages.tool import tool_call_chunk

from aivideoapi_core import ContentBlock, Message, MessageAccumulator, Reply, StreamEvent
from aivideoapi_core.adapter_kit import (
    call_error,
    clean_block,
    cut_place,
    invalid_arguments,
    recovered_call,
    text_of,
)
from langchain_aivideoapi._inbound.chunks import STARTED_EARLY
from langchain_aivideoapi._inbound.fast import PROVIDER
from langchain_aivideoapi._inbound.message import to_response_metadata, to_usage
from langchain_aivideoapi._inbound.standard import (
    invalid_call_block,
    standard_block,
    standard_server_start,
    tool_call_block,
)

if TYPE_CHECKING:  # 10 ms of import for one annotation
    from langchain_protocol.protocol import MessagesData


class EventTranslator:
    """Feed it every event of one stream in turn, then ask for the ``finish``.

    Each block finishes at its own stop. A tool call waits for the block after it or the message's end, because only
    then it is known whether the output limit cut it.
    """

    def __init__(self, accumulator: MessageAccumulator, *, model: str, message_id: str) -> None:
        self._accumulator = accumulator
        self._model = model
        self._message_id = message_id
        self._kinds: dict[int, str] = {}
        self._places: dict[int, int] = {}
        """Indices of the wire to those of the protocol, which are 0, 1, 2 whatever the server says."""
        self._texts: list[int] = []
        """The places of the blocks of text."""
        self._waiting: dict[int, ContentBlock] = {}
        """Tool calls that have stopped and are not finished, by their index."""

    def start(self) -> MessagesData:
        """The event that begins every message."""
        metadata: Any = {"provider": PROVIDER, "model": self._model}
        return {"event": "message-start", "role": "ai", "id": self._message_id, "metadata": metadata}

    def feed(self, event: StreamEvent) -> list[Any]:
        """The protocol events that ``event`` is worth. The accumulator has taken the event already."""
        match event["type"]:
            case "content_block_delta":
                return self._feed_delta(event["index"], event["delta"])
            case "content_block_start":
                started = self._start(event["index"], event["content_block"])
                return [*self._release(), *started]
            case "content_block_stop":
                return self._stop(event["index"])
            case _:
                return []

    def _feed_delta(self, index: int, delta: dict[str, Any]) -> list[Any]:
        if self._kinds.get(index) not in ("text", "thinking", *STARTED_EARLY):
            return []  # of no open block, or of one that comes whole, at its stop
        data: dict[str, str]
        match delta.get("type"):
            case "text_delta":
                data = {"type": "text-delta", "text": delta["text"]}
            case "input_json_delta":
                data = {"type": "tool-call-delta", "args": delta["partial_json"]}
            case "thinking_delta":
                data = {"type": "reasoning-delta", "reasoning": delta["thinking"]}
            case _:
                return []  # signatures and citations are on the finished block
        return [{"event": "content-block-delta", "index": self._places[index], "delta": data}]

    def _start(self, index: int, block: ContentBlock) -> list[Any]:
        kind = block.get("type", "")
        place = self._places[index] = len(self._places)
        self._kinds[index] = kind
        content: Any
        deltas: list[Any] = []
        match kind:
            case "text" | "thinking":
                if kind == "text":
                    self._texts.append(place)
                shown = "text" if kind == "text" else "reasoning"
                content = {"type": shown, shown: ""}
                if said := block.get(kind):
                    deltas = self._feed_delta(index, {"type": f"{kind}_delta", kind: said})
            case "tool_use":
                content = tool_call_chunk(id=block.get("id"), name=block.get("name"), args="", index=index)
            case _ if kind in STARTED_EARLY:
                content = standard_server_start(block)
            case _:
                return []  # of no open block, or of one that comes whole, at its stop
        return [{"event": "content-block-start", "index": place, "content": content}, *deltas]

    def _stop(self, index: int) -> list[Any]:
        kind = self._kinds.pop(index)
        closed = clean_block(self._accumulator.closed_at(index))
        if kind == "tool_use":
            self._waiting[index] = closed
            return self._release()
        finished: Any = standard_block(closed)
        finish = {"event": "content-block-finish", "index": self._places[index], "content": finished}
        if kind in ("text", "thinking") or kind in STARTED_EARLY:
            return [finish]
        start = {"event": "content-block-start", "index": self._places[index], "content": dict(finished)}
        return [start, finish]

    def _release(self) -> list[Any]:
        """Finish the tool calls that wait, in the order in which they stand: LangChain lists them as they finish.

        Those behind one that is still open wait on, and so does the block that stands last, which may be cut.
        """
        kept = [index for index, kind in self._kinds.items() if kind == "tool_use"]
        until = min([max(self._places), *kept])
        return [
            self._finished_call(index, self._waiting.pop(index), None)
            for index in sorted(self._waiting)
            if index < until
        ]

    def _release_all(self, message: Message) -> list[Any]:
        """The same at the end of ``message``."""
        waiting, self._waiting = sorted(self._waiting.items()), {}
        stop_reason = message["stop_reason"]
        is_cut = cut_place(message["content"], stop_reason) is not None
        last = waiting[-1][0] if waiting and is_cut else None
        return [
            self._finished_call(index, block, stop_reason if index == last else None)
            for index, block in waiting
        ]

    def _finished_call(self, index: int, block: ContentBlock, cut_by: str | None) -> Any:
        """The end of a tool call; ``cut_by``: the stop reason, if it cut this call."""
        raw = invalid_arguments(block, cut=cut_by is not None)
        content = (
            tool_call_block(block, block.get("input") or {})
            if raw is None
            else invalid_call_block(block, raw, call_error(block, cut_by))
        )
        return {"event": "content-block-finish", "index": self._places[index], "content": content}

    def finish(self, reply: Reply, *, with_usage: bool = True) -> list[Any]:
        """The events that end the message; to be made after the body's end, when all credits are known."""
        call = recovered_call(reply.message)
        recovered = [] if call is None else self._whole_call(call)
        finish: dict[str, Any] = {"event": "message-finish", "metadata": to_response_metadata(reply)}
        usage = to_usage(reply) if with_usage else None
        if usage is not None:
            finish["usage"] = usage
        return [*self._release_all(reply.message), *recovered, finish]

    def settled_text(self, reply: Reply) -> list[Any]:
        """The text of ``reply`` in place of the one that streamed, which turned out to mean another: the first block
        of text ends once more. What has been read cannot be taken back, the message at the end is right.
        """
        text = text_of(reply.message["content"])
        content = {"type": "text", "text": text}
        return [
            {"event": "content-block-finish", "index": place, "content": content} for place in self._texts[:1]
        ]

    def _whole_call(self, block: ContentBlock) -> list[Any]:
        """The events of a call that did not come over the wire."""
        place = len(self._places)
        start = tool_call_chunk(id=block["id"], name=block["name"], args="", index=place)
        delta = {"type": "tool-call-delta", "args": json.dumps(block["input"], ensure_ascii=False)}
        content = tool_call_block(block, block["input"])
        return [
            {"event": "content-block-start", "index": place, "content": start},
            {"event": "content-block-delta", "index": place, "delta": delta},
            {"event": "content-block-finish", "index": place, "content": content},
        ]
