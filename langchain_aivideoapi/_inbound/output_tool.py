"""The tool that stands for an output format: what the model passes to it is the text of the reply."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from aivideoapi_core import Message, MessageAccumulator, StreamEvent


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
        for block in message["content"]:
            if self.is_mine(block):
                for place in before:
                    content[place] = _remark(content[place])
                block, before = self._text_of(block), []
                content.append(_remark(block) if answered else block)
                answered = True
                continue
            if block.get("type") == "text":
                if answered:
                    block = _remark(block)
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


def _remark(block: Mapping[str, Any]) -> dict[str, Any]:
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
        self._held: list[StreamEvent] = []
        self._remarks: dict[int, dict[str, Any]] = {}
        """Blocks after the answer that are not to be text, as far as they came."""
        self.accumulator = MessageAccumulator()

    def push(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """The events to be translated in place of ``event``, to be taken one by one."""
        for rewritten in self._rewrite(event):
            self.accumulator.push(rewritten)
            yield rewritten

    def _rewrite(self, event: StreamEvent) -> list[StreamEvent]:
        kind, index = event["type"], event.get("index")
        if kind in ("message_delta", "message_stop"):
            return [*self._release(), event]
        if not kind.startswith("content_block_"):
            return [event]
        if kind == "content_block_start":
            return self._start(event, event["content_block"])
        if index == self._answer and index is not None:
            return [_as_text_delta(event)]
        if (remark := self._remarks.get(cast("int", index))) is not None:
            _add(event, remark)
            return (
                _whole(self._remarks.pop(cast("int", index)), event) if kind == "content_block_stop" else []
            )
        if self._held:
            self._held.append(event)
            return []
        return [event]

    def _start(self, event: StreamEvent, block: Mapping[str, Any]) -> list[StreamEvent]:
        kind, mine = block.get("type"), self._tool.is_mine(block)
        if mine:
            whole = block.get("input")
            block = {"type": "text", "text": json.dumps(whole, ensure_ascii=False) if whole else ""}
        if self._answer is not None and (mine or kind == "text"):
            self._remarks[event["index"]] = {**block}
            return []
        if mine:
            self._answer = event["index"]
            return [*_as_remarks(self._release()), {**event, "content_block": block}]
        if kind == "tool_use":
            return [*self._release(), event]
        if self._held or kind == "text":
            self._held.append(event)
            return []
        return [event]

    def _release(self) -> list[StreamEvent]:
        held, self._held = self._held, []
        return held


def _as_text_delta(event: StreamEvent) -> StreamEvent:
    if "partial_json" in event.get("delta", ()):
        return {**event, "delta": {"type": "text_delta", "text": event["delta"]["partial_json"]}}
    return event


def _as_remarks(held: list[StreamEvent]) -> list[StreamEvent]:
    """Held events with their blocks of text as remarks."""
    rewritten: list[StreamEvent] = []
    remarks: dict[int, dict[str, Any]] = {}
    for event in held:
        if event["type"] == "content_block_start" and event["content_block"].get("type") == "text":
            remarks[event["index"]] = {**event["content_block"]}
        elif (remark := remarks.get(event["index"])) is None:
            rewritten.append(event)
        else:
            _add(event, remark)
            if event["type"] == "content_block_stop":
                rewritten += _whole(remarks.pop(event["index"]), event)
    return rewritten


def _add(event: StreamEvent, remark: dict[str, Any]) -> None:
    """Take what ``event`` adds to a block of text."""
    delta = event.get("delta") or {}
    remark["text"] = remark.get("text", "") + (delta.get("text") or delta.get("partial_json") or "")
    if "citation" in delta:
        remark["citations"] = [*(remark.get("citations") or ()), delta["citation"]]


def _whole(remark: dict[str, Any], stop: StreamEvent) -> list[StreamEvent]:
    """The events of a remark that came to its end."""
    start = {"type": "content_block_start", "index": stop["index"], "content_block": _remark(remark)}
    return [start, stop]
