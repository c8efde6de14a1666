"""Content blocks while they stream: what their start said and the pieces since, and the finished block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from pydantic_core import from_json

from aivideoapi_core._received import ContentBlock

DELTA_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("partial_json", "input"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "compaction_delta": ("content", "content"),
}
"""Delta type: the field of the delta, and the field of the block that its text is appended to."""


_FIELDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"text"}),
    "thinking": frozenset({"thinking", "signature"}),
    "tool_use": frozenset({"input"}),
}
"""What may be streamed into a block of a known type; into others anything may."""


class OpenBlock:
    """A block being streamed: what its start said, and the pieces since then by field."""

    __slots__ = ("block", "citations", "pieces")

    def __init__(self, block: Any) -> None:
        """Raises ``TypeError`` for what is not a block."""
        if not is_block(block) or not all(
            isinstance(block.get(field), kind | None) for field, kind in _FIELD_KINDS
        ):
            raise TypeError("content_block")
        self.block: ContentBlock = dict(block)
        self.pieces: dict[str, list[str]] = {}
        self.citations: list[Any] = []

    def begin(self, field: str, text: str) -> None:
        """The first piece of ``field``. Raises ``TypeError`` where the block has no such field."""
        if field not in _FIELDS_OF.get(self.block["type"], (field,)):
            raise TypeError(field)
        self.pieces[field] = [text]

    def closed(self) -> ContentBlock:
        """The block as a whole reply would have held it.

        Tool arguments that are not (whole) JSON, as when the output limit cut them, stay as text
        in ``partial_json`` beside an empty ``input``.
        """
        block = dict(self.block)
        if block["type"] in ("text", "thinking") and block.get(block["type"]) is None:
            block[block["type"]] = ""
        for field, pieces in self.pieces.items():
            if field in ("text", "thinking", "content"):
                block[field] = "".join((block.get(field) or "", *pieces))
            elif field == "signature":
                block[field] = "".join(pieces)  # replaces what the start said, as the official client does
        if self.citations:
            block["citations"] = [*(block.get("citations") or ()), *self.citations]
        if "input" in self.pieces or is_tool_use(block):
            set_input(block, "".join(self.pieces.get("input", ())))
        return block


_FIELD_KINDS: Final = (("text", str), ("thinking", str), ("citations", list))


def is_block(block: Any) -> bool:
    """Whether ``block`` is a content block of any type, known or not."""
    return isinstance(block, dict) and isinstance(block.get("type"), str)


def is_tool_use(block: ContentBlock) -> bool:
    """Whether ``block`` is a call: ``tool_use``, ``server_tool_use``, ``mcp_tool_use``."""
    return cast("str", block["type"]).endswith("tool_use")


def set_input(block: ContentBlock, text: str) -> None:
    """Put the streamed arguments ``text`` into ``block``, in place; without any, what the start said stays."""
    if not text.strip():
        block["input"] = {} if block.get("input") is None else block["input"]
        return
    try:
        arguments = from_json(text, allow_inf_nan=False)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        block["input"] = arguments
    else:
        block["input"] = {}
        block["partial_json"] = text
