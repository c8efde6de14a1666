"""Content blocks while they stream: what their start said and the pieces since, and the finished block."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic_core import from_json, to_json

from aivideoapi_core._inbound.halves import joined, mended, split_json, split_text
from aivideoapi_core._inbound.lenient_json import as_written, parse_leniently, said_again, without_value
from aivideoapi_core._received import ContentBlock

DELTA_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("partial_json", "input"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "compaction_delta": ("content", "content"),
}
"""Delta type: the field of the delta, and the field of the block that its text is appended to."""

_DELTA_OF: Final = {target: (kind, source) for kind, (source, target) in DELTA_FIELDS.items()}

_FIELDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"text"}),
    "thinking": frozenset({"thinking", "signature"}),
    "tool_use": frozenset({"input"}),
}
"""What may be streamed into a block of a known type; into others anything may."""

_FIELD_KINDS: Final = (("text", str), ("thinking", str))


class OpenBlock:
    """A block being streamed: what its start said, and the pieces since then by field.

    ``place`` is its index in the message, whatever the server's was.
    """

    __slots__ = ("_held", "block", "citations", "pieces", "place", "start")

    def __init__(self, start: Any, place: int = 0) -> None:
        """Raises ``TypeError`` for what is not a block."""
        if not is_block(start) or not all(
            isinstance(start.get(field), kind | None) for field, kind in _FIELD_KINDS
        ):
            raise TypeError("content_block")
        self.start: ContentBlock = start
        self.block: ContentBlock = dict(start)
        if start.get("citations"):
            self.block["citations"] = read_citations(start["citations"])
        self.place = place
        self.pieces: dict[str, list[str]] = {}
        self.citations: list[Any] = []
        self._held: dict[str, str] = {}

    @property
    def kind(self) -> str:
        """The block's type."""
        kind: str = self.block["type"]
        return kind

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has come since the start."""
        return not (self.pieces or self.citations)

    @property
    def holds(self) -> bool:
        """Whether the last piece ended in half a character, which waits for the other."""
        return bool(self._held)

    def opened(self) -> tuple[ContentBlock, list[dict[str, Any]]]:
        """The start as the official server words it, and the deltas that carry what else it said.

        Text, citations and arguments that came in the start are moved into deltas (whole arguments stay:
        the official server has them there too), so that whoever reads deltas has read everything.
        """
        block, deltas = self.block, []
        field = self.kind
        if field in ("text", "thinking") and block.get(field):
            deltas.append({"type": f"{field}_delta", field: block[field]})
            block[field] = ""
        if field == "text" and block.get("citations"):
            deltas += [{"type": "citations_delta", "citation": item} for item in block["citations"]]
            block["citations"] = []
        if is_tool_use(block) and block.get("input") is not None:
            block["input"], raw = read_arguments(block["input"])
            if raw is not None:
                deltas.append({"type": "input_json_delta", "partial_json": raw})
        return (self.start if block == self.start else dict(block)), deltas

    def takes(self, field: str) -> bool:
        """Whether ``field`` can be streamed into a block of this type."""
        return field in _FIELDS_OF.get(self.kind, (field,))

    def take(self, field: str, text: str) -> str:
        """Take the next piece of ``field``; what of it can be handed over.

        Raises ``TypeError`` where the block has no such field.
        """
        if field not in self.pieces:
            if not self.takes(field):
                raise TypeError(field)
            self.pieces[field] = []
        text = self._held.pop(field, "") + text
        if field == "input":
            text, held = split_json(text)
            text = mended(text)
        else:
            text, held = split_text(text)
        if held:
            self._held[field] = held
        text = joined(text)
        self.pieces[field].append(text)
        return text

    def set_fields(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Take the fields of a delta beside its own, for a block whose fields we do not know better; those taken."""
        if self.kind in _FIELDS_OF or is_tool_use(self.block):
            return {}
        fields = {name: value for name, value in said.items() if name not in ("citation", "citations")}
        self.block.update(fields)
        return fields

    def release(self) -> Iterator[dict[str, Any]]:
        """The deltas of the halves that still wait, when none will come any more."""
        for field, rest in _ends(self._held):
            self.pieces[field].append(rest)
            kind, source = _DELTA_OF[field]
            yield {"type": kind, source: rest}
        self._held = {}

    def closed(self) -> ContentBlock:
        """The block as a whole reply would have held it.

        Tool arguments that are not (whole) JSON, as when the output limit cut them, stay as text
        in ``partial_json`` beside an empty ``input``.
        """
        block, held = dict(self.block), dict(_ends(self._held))
        if block["type"] in ("text", "thinking") and block.get(block["type"]) is None:
            block[block["type"]] = ""
        for field, pieces in self.pieces.items():
            if field in ("text", "thinking", "content"):
                block[field] = "".join((block.get(field) or "", *pieces, held.get(field, "")))
            elif field == "signature":
                block[field] = "".join(pieces)  # replaces what the start said, as the official client does
        if self.citations:
            block["citations"] = [*(block.get("citations") or ()), *self.citations]
        if "input" in self.pieces or is_tool_use(block):
            set_input(block, "".join((*self.pieces.get("input", ()), held.get("input", ""))))
        return block


def _ends(held: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for field, rest in held.items():
        yield field, mended(joined(rest)) if field == "input" else joined(rest)


def read_citations(given: Any) -> list[Any]:
    """The citations among whatever a server made of them: objects that do not say their kind by anything but text."""
    return list(filter(_is_citation, given)) if isinstance(given, list) else []


def _is_citation(given: Any) -> bool:
    return isinstance(given, dict) and isinstance(given.get("type"), str | None)


def is_block(block: Any) -> bool:
    """Whether ``block`` is a content block of any type, known or not."""
    return isinstance(block, dict) and isinstance(block.get("type"), str)


def is_tool_use(block: ContentBlock) -> bool:
    """Whether ``block`` is a call: ``tool_use``, ``server_tool_use``, ``mcp_tool_use``."""
    kind: str = block["type"]
    return kind.endswith("tool_use")


def label(block: ContentBlock, *, message_id: Any, place: int) -> None:
    """Give a call or a result, in place, texts for ids and name, whatever a server made of them, and a call an id if
    it has none.

    A result has to name the id of its call, so a call without one could not be answered. The id is ours, and the
    same whenever the same reply is read.
    """
    for field in ("id", "name") if is_tool_use(block) else ("tool_use_id",):
        if (given := block.get(field)) is not None and not isinstance(given, str):
            block[field] = str(given)
    if block.get("name") == "":
        block["name"] = None  # of no tool, as LangChain's v3 has it too
    if block["type"] == "tool_use" and not block.get("id"):
        import hashlib  # hardly any call has no id

        said = f"{message_id}\n{place}" if message_id else os.urandom(12).hex()
        block["id"] = f"toolu_{hashlib.sha256(said.encode(errors='replace')).hexdigest()[:24]}"


def read_arguments(given: Any) -> tuple[dict[str, Any], str | None]:
    """A call's arguments as an object, whatever a server made of them; else ``{}`` and their text.

    Arguments with a number that has no value (``1e400``) are none to call with, and could not go back.
    """
    if not given:
        return {}, None  # PHP writes an empty object as ``[]``
    if isinstance(given, dict):
        numbers = without_value(given)
        return ({}, as_written(given, numbers)) if numbers else (given, None)
    text = given if isinstance(given, str) else to_json(given).decode()
    if not text.strip():
        return {}, None
    arguments = _parsed(text)
    if isinstance(arguments, str):
        arguments = _parsed(arguments)  # JSON text as JSON text
    if arguments is None:
        arguments = said_again(text.strip())
    is_object = isinstance(arguments, dict) and not without_value(arguments)
    if not is_object and arguments != []:
        return {}, mended(text)
    return arguments or {}, None


def _parsed(text: str) -> Any:
    """The value of JSON ``text``, ``None`` for what is none."""
    text = mended(text)
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        pass
    try:
        return parse_leniently(text)
    except ValueError:
        return None


def set_input(block: ContentBlock, text: str) -> None:
    """Put the streamed arguments ``text`` into ``block``, in place; without any, what the start said stays."""
    if text.strip():
        block["input"], raw = read_arguments(text)
        if raw is not None:
            block["partial_json"] = text
    elif block.get("input") is None:
        block["input"] = {}
