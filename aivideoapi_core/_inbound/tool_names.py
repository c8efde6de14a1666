"""The way back of the tool names that the wire would have refused: replies with the caller's own names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._received import ContentBlock, Message, StreamEvent, ToolNames


def with_own_names(message: Message, names: ToolNames | None) -> Message:
    """``message`` with its tool calls under the caller's names; the same object if there are none to change."""
    if not names:
        return message
    content = [_renamed(block, names) for block in message["content"]]
    return cast("Message", {**message, "content": content})


def _renamed(block: ContentBlock, names: ToolNames) -> ContentBlock:
    found = names.get(block.get("name") or "") if block.get("type") == "tool_use" else None
    if found is None:
        return block
    renamed = {**block, "name": found[0]}
    if found[1]:
        for field in ("input", "partial_json"):
            if field in block:
                renamed[field] = _with_keys(block[field], found[1])
    return renamed


def _with_keys(value: Any, keys: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        renamer = KeyRenamer(keys)
        return renamer.feed(value) + renamer.rest()
    return _renamed_keys(value, keys)


def _renamed_keys(value: Any, keys: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {keys.get(name, name): _renamed_keys(part, keys) for name, part in value.items()}
    return [_renamed_keys(part, keys) for part in value] if isinstance(value, list) else value


class KeyRenamer:
    """Replaces keys of objects in JSON text that arrives in pieces, holding back a key that is not whole yet."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys
        self._held: list[str] = []
        """The key that is arriving, from its quote on."""
        self._open: list[str] = []
        self._is_key_next = False
        self._in_text = self._is_escaped = False

    def feed(self, piece: str) -> str:
        """What can be handed on of ``piece`` and of what was held back."""
        return "".join([self._take(char) for char in piece])

    def rest(self) -> str:
        """What was held back, for text that ends within a key."""
        held, self._held = "".join(self._held), []
        return held

    def _take(self, char: str) -> str:
        if self._in_text:
            return self._take_in_text(char)
        if char == '"':
            self._in_text = True
            if self._is_key_next:
                self._held = [char]
                return ""
        elif char in "{[":
            self._open.append(char)
            self._is_key_next = char == "{"
        elif char in "}]":
            del self._open[-1:]
            self._is_key_next = False
        elif char == ",":
            self._is_key_next = self._open[-1:] == ["{"]
        return char

    def _take_in_text(self, char: str) -> str:
        ends = char == '"' and not self._is_escaped
        self._is_escaped = char == "\\" and not self._is_escaped
        self._in_text = not ends
        if not self._held:
            return char
        self._held.append(char)
        if not ends:
            return ""
        self._is_key_next = False
        written = self.rest()
        try:
            own = self._keys.get(json.loads(written))
        except ValueError:
            own = None
        return written if own is None else json.dumps(own, ensure_ascii=False)


class OwnNamesStream:
    """Rewrites the events of one stream; ``accumulator`` is in step with the rewritten ones."""

    def __init__(self, names: ToolNames) -> None:
        self._names = names
        self._renamers: dict[int, KeyRenamer] = {}
        self.accumulator = MessageAccumulator(by_index=True)

    def push(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """The events to be translated in place of ``event``, to be taken one by one."""
        for rewritten in self._rewrite(event):
            self.accumulator.push(rewritten)
            yield rewritten

    def _rewrite(self, event: StreamEvent) -> list[StreamEvent]:
        match event["type"]:
            case "message_start" if (event.get("message") or {}).get("content"):
                return [{**event, "message": with_own_names(event["message"], self._names)}]
            case "content_block_start":
                block = event["content_block"]
                if block.get("type") == "tool_use" and (found := self._names.get(block.get("name") or "")):
                    if found[1]:
                        self._renamers[event["index"]] = KeyRenamer(found[1])
                    return [{**event, "content_block": _renamed(block, self._names)}]
            case "content_block_delta" if (renamer := self._renamers.get(event["index"])) is not None:
                piece = event["delta"].get("partial_json")
                if isinstance(piece, str):
                    return [{**event, "delta": {**event["delta"], "partial_json": renamer.feed(piece)}}]
            case "content_block_stop" if (renamer := self._renamers.pop(event["index"], None)) is not None:
                if rest := renamer.rest():
                    delta = {"type": "input_json_delta", "partial_json": rest}
                    return [{"type": "content_block_delta", "index": event["index"], "delta": delta}, event]
        return [event]
