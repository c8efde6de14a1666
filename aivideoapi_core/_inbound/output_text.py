"""A streamed text that is to be JSON and nothing else, from a server that may put words around it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from aivideoapi_core._inbound.output_tool import BLOCK_EVENTS, OutputTool, OutputToolRewriter, as_remark
from aivideoapi_core._received import Message, StreamEvent

_FIRST_KEY: Final = re.compile(r'\{\s*+(?:\}|"((?:[^"\\]|\\.)*+)"\s*+:)')
_HALF_KEY: Final = re.compile(r'(?:\{\s*+(?:"(?:[^"\\]|\\.)*+\\?(?:"\s*+)?)?)?')
_MARKS: Final = re.compile(r'\\.|["{}\[\]]', re.DOTALL)


class OutputTextRewriter(OutputToolRewriter):
    """The rewriter where the text itself is to be the JSON.

    The text goes out as it comes if it begins as an object with one of ``fields`` does, and up to that object's end;
    words after it are a remark. All else is held back to the end of the stream.
    """

    def __init__(self, tool: OutputTool, fields: Collection[str]) -> None:
        super().__init__(tool)
        self._fields = fields
        self._begin: str | None = ""
        """The text so far, ``None`` once it is known what it is."""
        self._end = ObjectEnd()
        self._after: list[str] = []

    def finish(self, message: Message) -> Iterator[StreamEvent]:
        """The events that were held back to the end; none if the text has gone out."""
        if self._answer is None:
            yield from super().finish(message)

    def _rewrite(self, event: StreamEvent) -> list[StreamEvent]:
        kind = event["type"]
        if self._answer is not None:
            if kind == "content_block_delta" and event["index"] == self._answer:
                return self._cut(event)
            if kind == "message_delta" and "".join(self._after).strip():
                return [*self._words_after(), event]
        events = super()._rewrite(event)
        if not self._held:
            self._begin = ""
        elif self._begin is not None and kind in BLOCK_EVENTS and (piece := _text_in(event)):
            self._begin += piece
            is_object = begins_object(self._begin, self._fields)
            if is_object:
                return [*events, *self._released(event["index"])]
            self._begin = None if is_object is False else self._begin
        return events

    def _released(self, index: int) -> list[StreamEvent]:
        """What was held back up to the answer at ``index``."""
        self._answer = index
        released: list[StreamEvent] = []
        for event in self._release():
            released += self._cut(event) if event["index"] == index and _text_in(event) else [event]
        return released

    def _cut(self, event: StreamEvent) -> list[StreamEvent]:
        """``event`` without the text after the object's end."""
        text = _text_in(event)
        end = self._end.take(text)
        if end == len(text):
            return [event]
        self._after.append(text[end:])
        part = "delta" if "delta" in event else "content_block"
        return [{**event, part: {**event[part], "text": text[:end]}}]

    def _words_after(self) -> list[StreamEvent]:
        remark = as_remark({"type": "text", "text": "".join(self._after)})
        self._after = []
        start = {"type": "content_block_start", "index": self._next_index, "content_block": remark}
        return [start, {"type": "content_block_stop", "index": self._next_index}]


def begins_object(text: str, fields: Collection[str]) -> bool | None:
    """Whether ``text`` begins a JSON object with one of ``fields``, if there are any; ``None`` while it may."""
    text = text.lstrip()
    if (first := _FIRST_KEY.match(text)) is not None:
        return not fields or first[1] in fields
    return None if _HALF_KEY.fullmatch(text) else False


class ObjectEnd:
    """Finds where the JSON object that arrives in pieces ends."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = self._done = False

    def take(self, piece: str) -> int:
        """How much of ``piece`` belongs to the object."""
        if self._done:
            return 0
        start = 1 if self._escaped and piece else 0  # the second half of an escape
        self._escaped = self._escaped and not piece
        for found in _MARKS.finditer(piece, start):
            mark = found[0]
            if mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string and mark in "{[":
                self._depth += 1
            elif not self._in_string and mark in "}]":
                self._depth -= 1
                self._done = self._depth <= 0
                if self._done:
                    return found.end()
            start = found.end()
        self._escaped = self._escaped or piece.endswith("\\", start)
        return len(piece)


def _text_in(event: StreamEvent) -> str:
    part: Any = event.get("content_block") or event.get("delta") or {}
    return part.get("text") or "" if part.get("type") in ("text", "text_delta") else ""
