"""The tool that stands for an output format: what the model passes to it is the text of the reply."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._received import ContentBlock, Message, StreamEvent


@dataclass(frozen=True, slots=True)
class OutputTool:
    """The tool that stands for an output format.

    What the model passes to it is the text of the reply, and nothing else is: a model that thinks may
    write before the call ("Here is the person:"), and that would spoil the JSON. Such words stay in
    the message as ``{"type": "non_standard", "value": {"type": "text", ...}}``, which is no part of
    its text and goes back to the model as it came. Words before the call of another tool stay text.
    """

    name: str

    def as_text(self, message: Message) -> Message:
        """``message`` with the tool's input as text; a new object."""
        content: list[Any] = []
        before: list[int] = []
        answered = False
        for block in _without_bare_answer(message):
            if self.is_mine(block):
                for place in before:
                    content[place] = as_remark(content[place])
                block, before = self._text_of(block), []
                content.append(as_remark(block) if answered else block)
                answered = True
                continue
            if block.get("type") == "text":
                if answered:
                    block = as_remark(block)
                else:
                    before.append(len(content))
            elif block.get("type") == "tool_use":
                before = []
            content.append(block)
        rewritten = {**message, "content": content}
        if message["stop_reason"] == "tool_use" and not any(
            block.get("type") == "tool_use" for block in content
        ):
            rewritten["stop_reason"] = "end_turn"
        return cast("Message", rewritten)

    def rewriter(self) -> OutputToolRewriter:
        """The same for the events of one stream."""
        return OutputToolRewriter(self)

    def is_mine(self, block: Mapping[str, Any]) -> bool:
        """Whether ``block`` is a call of this tool."""
        return block.get("type") == "tool_use" and block.get("name") == self.name

    @staticmethod
    def _text_of(block: Mapping[str, Any]) -> dict[str, Any]:
        text = block.get("partial_json") or json.dumps(block.get("input") or {}, ensure_ascii=False)
        return {"type": "text", "text": text}


def _without_bare_answer(message: Message) -> list[ContentBlock]:
    """The blocks of ``message`` without text that says nothing but the call that was read from it."""
    content = message["content"]
    if not message.get("recovered_tool_call") or not _is_json_alone(
        "".join(block.get("text") or "" for block in content if block.get("type") == "text")
    ):
        return content
    return [block for block in content if block.get("type") != "text"]


def _is_json_alone(text: str) -> bool:
    """Whether ``text`` is one JSON object, in a fence or not."""
    fenced = _FENCED.fullmatch(text.strip())
    try:
        return isinstance(json.loads(fenced[1] if fenced else text), dict)
    except (ValueError, RecursionError):
        return False


BLOCK_EVENTS: Final = frozenset({"content_block_start", "content_block_delta", "content_block_stop"})
_FENCED: Final = re.compile(r"(?:```|~~~)\w*\s*+(\{.*\})\s*(?:```|~~~)", re.DOTALL)


def as_remark(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block of text as one that is no part of the message's text; blanks cannot spoil JSON."""
    if block["text"].strip():
        return {"type": "non_standard", "value": dict(block)}
    return dict(block)


class OutputToolRewriter:
    """Rewrites events so that the stand-in tool's arguments arrive as text.

    Text before the call is held back, with all that follows it, until it is known whether the call
    comes. ``accumulator`` is in step with the rewritten events.
    """

    def __init__(self, tool: OutputTool) -> None:
        self._tool = tool
        self._answer: int | None = None
        """The index of the tool's call."""
        self._is_empty = False
        """Whether the call has come without arguments so far."""
        self._held: list[StreamEvent] = []
        self._ends: list[StreamEvent] = []
        """The end of the message, which comes after what is held."""
        self._next_index = 0
        self._remarks: dict[int, dict[str, Any]] = {}
        """Blocks beside the answer that are not to be text, as far as they came."""
        self.accumulator = MessageAccumulator(by_index=True)

    def push(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """The events to be translated in place of ``event``, to be taken one by one."""
        return self._pushed(self._rewrite(event))

    def finish(self, message: Message) -> Iterator[StreamEvent]:
        """The events that were held back to the end; ``message`` is the whole reply, and may hold a call
        that was read from its text.
        """
        last = message["content"][-1] if message.get("recovered_tool_call") else None
        if last is not None and self._tool.is_mine(last):
            if len(_without_bare_answer(message)) < len(message["content"]):
                texts = _texts(self._held)
                self._held = [event for event in self._held if event["index"] not in texts]
            index = self._next_index
            start = {"type": "content_block_start", "index": index, "content_block": last}
            yield from self._pushed(self._start(start, last))
            yield from self._pushed([{"type": "content_block_stop", "index": index}])
        ends, self._ends = self._ends, []
        yield from self._pushed([*self._release(), *ends])

    def _pushed(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        for event in events:
            self.accumulator.push(event)
            yield event

    def _rewrite(self, event: StreamEvent) -> list[StreamEvent]:
        kind, index = event["type"], event.get("index")
        if kind in ("message_delta", "message_stop"):
            if self._held:
                self._ends.append(event)
                return []
            return [event]
        if kind not in BLOCK_EVENTS:
            return [event]
        if kind == "content_block_start":
            return self._start(event, event["content_block"])
        if index == self._answer and index is not None:
            return self._answered(event)
        if index in self._remarks:
            return self._remarked(event)
        if self._held:
            self._held.append(event)
            return []
        return [event]

    def _start(self, event: StreamEvent, block: Mapping[str, Any]) -> list[StreamEvent]:
        kind, mine = block.get("type"), self._tool.is_mine(block)
        self._next_index = max(self._next_index, event["index"] + 1)
        if mine:
            whole = block.get("input")
            block = {"type": "text", "text": json.dumps(whole, ensure_ascii=False) if whole else ""}
        if self._answer is not None and (mine or kind == "text"):
            self._hold_remark(event["index"], block)
            return []
        if mine:
            self._answer, self._is_empty = event["index"], not block["text"]
            return [*self._as_remarks(self._release()), {**event, "content_block": block}]
        if kind == "tool_use":
            return [*self._release(), event]
        if self._held or kind == "text":
            self._held.append(event)
            return []
        return [event]

    def _answered(self, event: StreamEvent) -> list[StreamEvent]:
        """What an event of the call comes to as one of text; a call without arguments says ``{}``, as a whole one."""
        said = _as_text_delta(event)
        if event["type"] == "content_block_stop" and self._is_empty:
            delta = {"type": "text_delta", "text": "{}"}
            return [{"type": "content_block_delta", "index": event["index"], "delta": delta}, said]
        self._is_empty = self._is_empty and not (said.get("delta") or {}).get("text")
        return [said]

    def _as_remarks(self, held: list[StreamEvent]) -> list[StreamEvent]:
        """Held events with their blocks of text as remarks; one that is still open ends later."""
        rewritten: list[StreamEvent] = []
        for event in held:
            if event["type"] == "content_block_start" and event["content_block"].get("type") == "text":
                self._hold_remark(event["index"], event["content_block"])
            else:
                rewritten += self._remarked(event) if event["index"] in self._remarks else [event]
        return rewritten

    def _hold_remark(self, index: int, block: Mapping[str, Any]) -> None:
        self._remarks[index] = {**block, "text": block.get("text") or ""}

    def _remarked(self, event: StreamEvent) -> list[StreamEvent]:
        """What an event of a block that is to be a remark comes to: all of it at its end."""
        index = event["index"]
        if event["type"] == "content_block_stop":
            return _whole(self._remarks.pop(index), event)
        _add(event, self._remarks[index])
        return []

    def _release(self) -> list[StreamEvent]:
        held, self._held = self._held, []
        return held


def _as_text_delta(event: StreamEvent) -> StreamEvent:
    if "partial_json" in event.get("delta", ()):
        return {**event, "delta": {"type": "text_delta", "text": event["delta"]["partial_json"]}}
    return event


def _texts(held: list[StreamEvent]) -> set[int]:
    """The indices of blocks of text among held events."""
    return {
        event["index"]
        for event in held
        if event["type"] == "content_block_start" and event["content_block"].get("type") == "text"
    }


def _add(event: StreamEvent, remark: dict[str, Any]) -> None:
    """Take what ``event`` adds to a block of text."""
    delta = event.get("delta") or {}
    remark["text"] = remark.get("text", "") + (delta.get("text") or delta.get("partial_json") or "")
    if "citation" in delta:
        remark["citations"] = [*(remark.get("citations") or ()), delta["citation"]]


def _whole(remark: dict[str, Any], stop: StreamEvent) -> list[StreamEvent]:
    """The events of a remark that came to its end."""
    start = {"type": "content_block_start", "index": stop["index"], "content_block": as_remark(remark)}
    return [start, stop]
