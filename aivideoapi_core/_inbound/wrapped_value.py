"""The JSON of a value that is no object: the reply has it in one field, and the caller's text is the value alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, cast

from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._received import Message, StreamEvent

VALUE: Final = "value"
"""The one field of an object that stands for a value which is none."""


def unwrapped(text: str) -> str:
    """The JSON of the value in the one field of ``text``'s object; text of any other shape as it is."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(parsed, dict) or parsed.keys() != {VALUE}:
        return text
    return json.dumps(parsed[VALUE], ensure_ascii=False)


def with_bare_value(message: Message) -> Message:
    """``message`` with the value alone as its text; a new object."""
    content: list[Any] = [
        {**block, "text": unwrapped(block.get("text") or "")} if block.get("type") == "text" else block
        for block in message["content"]
    ]
    return cast("Message", {**message, "content": content})


class BareValueStream:
    """The same for the events of one stream: a text is handed on when it is whole.

    ``accumulator`` is in step with the rewritten events.
    """

    def __init__(self) -> None:
        self._texts: dict[Any, str] = {}
        """The text so far of each open block, by its index."""
        self.accumulator = MessageAccumulator()

    def push(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """The events to be translated in place of ``event``."""
        for rewritten in self._rewritten(event):
            self.accumulator.push(rewritten)
            yield rewritten

    def _rewritten(self, event: StreamEvent) -> list[StreamEvent]:
        kind, index = event["type"], event.get("index")
        if kind == "content_block_start" and event["content_block"].get("type") == "text":
            self._texts[index] = event["content_block"].get("text") or ""
            return [{**event, "content_block": {**event["content_block"], "text": ""}}]
        if index not in self._texts:
            return [event]
        if kind == "content_block_delta" and event["delta"].get("type") == "text_delta":
            self._texts[index] += event["delta"].get("text") or ""
            return []
        if kind == "content_block_stop":
            text = unwrapped(self._texts.pop(index))
            delta = {"type": "text_delta", "text": text}
            return [{"type": "content_block_delta", "index": index, "delta": delta}, event]
        return [event]
