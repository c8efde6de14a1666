"""The JSON of a value that is no object: the reply has it in one field, and the caller's text is the value alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, cast

from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._received import Message, StreamEvent

VALUE: Final = "value"
"""The one field of an object that stands for a value which is none."""

_BEFORE: Final = re.compile(r'\s*\{\s*"value"\s*:\s*(?=\S)')
_MAY_COME: Final = re.compile(r'\s*(?:\{\s*(?:"(?:v|va|val|valu|value)?|"value"\s*:?\s*)?)?')
"""What the text may be while it is not known whether the field is there."""
_MARKS: Final = re.compile(r'["{}\[\],\s]')
_STRING_MARKS: Final = re.compile(r'["\\]')


class BareValue:
    """The JSON text of the value in the one field of an object whose text arrives in pieces.

    Text of any other shape is handed on as it is. Time and memory are linear in the text, and nothing of the value
    waits for what comes after it.
    """

    def __init__(self) -> None:
        self._begin: str | None = ""
        """The text so far, ``None`` once it is known what it is."""
        self._is_object = False
        self._depth = 0
        self._in_string = self._escaped = self._done = False

    def take(self, piece: str) -> str:
        """What ``piece`` adds to the value's text."""
        if self._begin is None:
            return self._of_value(piece) if self._is_object else piece
        text = self._begin + piece
        if (found := _BEFORE.match(text)) is not None:
            self._begin, self._is_object = None, True
            return self._of_value(text[found.end() :])
        if _MAY_COME.fullmatch(text):
            self._begin = text
            return ""
        self._begin = None
        return text

    def rest(self) -> str:
        """What was held back and will not be a value's any more."""
        begin, self._begin = self._begin, None
        return begin or ""

    def _of_value(self, piece: str) -> str:
        """The part of ``piece`` that is before the end of the value."""
        if self._done:
            return ""
        place = 0
        while place < len(piece):
            if self._in_string:
                place, is_closed = self._through_string(piece, place)
                self._in_string = not is_closed
                is_end = is_closed and not self._depth
            else:
                mark = _MARKS.search(piece, place)
                if mark is None:
                    return piece
                if not self._depth and mark[0] not in '"{[':  # a number or a word ends before what follows it
                    self._done = True
                    return piece[: mark.start()]
                place, is_end = mark.end(), self._takes_last(mark[0])
            if is_end:
                self._done = True
                return piece[:place]
        return piece

    def _takes_last(self, mark: str) -> bool:
        """Take a mark; true for the last of a list or an object."""
        if mark == '"':
            self._in_string = True
        elif mark in "{[":
            self._depth += 1
        elif mark in "}]":
            self._depth -= 1
            return not self._depth
        return False

    def _through_string(self, piece: str, place: int) -> tuple[int, bool]:
        """The place after the end of the open string, or of ``piece``; and whether the string ends there."""
        if self._escaped:
            self._escaped, place = False, place + 1
        while (mark := _STRING_MARKS.search(piece, place)) is not None:
            place = mark.end()
            if mark[0] == '"':
                return place, True
            if place == len(piece):
                self._escaped = True
                return place, False
            place += 1
        return len(piece), False


def unwrapped(text: str) -> str:
    """The JSON of the value in the one field of ``text``'s object; text of any other shape as it is."""
    value = BareValue()
    return value.take(text) + value.rest()


def with_bare_value(message: Message) -> Message:
    """``message`` with the value alone as its text; a new object."""
    content: list[Any] = [
        {**block, "text": unwrapped(block.get("text") or "")} if block.get("type") == "text" else block
        for block in message["content"]
    ]
    return cast("Message", {**message, "content": content})


class BareValueStream:
    """The same for the events of one stream. ``accumulator`` is in step with the rewritten events."""

    def __init__(self) -> None:
        self._values: dict[Any, BareValue] = {}
        """The value of each open block of text, by its index."""
        self.accumulator = MessageAccumulator(by_index=True)

    def push(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """The events to be translated in place of ``event``."""
        for rewritten in self._rewritten(event):
            self.accumulator.push(rewritten)
            yield rewritten

    def _rewritten(self, event: StreamEvent) -> list[StreamEvent]:
        kind, index = event["type"], event.get("index")
        if kind == "content_block_start" and event["content_block"].get("type") == "text":
            value = self._values[index] = BareValue()
            text = value.take(event["content_block"].get("text") or "")
            return [{**event, "content_block": {**event["content_block"], "text": text}}]
        known = self._values.get(index)
        if known is None:
            return [event]
        if kind == "content_block_delta" and event["delta"].get("type") == "text_delta":
            text = known.take(event["delta"].get("text") or "")
            return [{**event, "delta": {**event["delta"], "text": text}}] if text else []
        if kind == "content_block_stop":
            del self._values[index]
            delta = {"type": "text_delta", "text": known.rest()}
            rest = [{"type": "content_block_delta", "index": index, "delta": delta}] if delta["text"] else []
            return [*rest, event]
        return [event]
