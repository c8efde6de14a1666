"""Blocks in the shape that the wire checks: known fields of the right type, nothing blank in them.

A block that a tool or another model made may look like ours and not be: an image without a source, a search
result without a title, a field of MCP's beside the text. What can be settled is; the rest raises
``InvalidInputError``, and where a tool or a model made the block it is told in words instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound import media

_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"text", "citations"}),
    "image": frozenset({"source"}),
    "document": frozenset({"source", "title", "context", "citations"}),
    "search_result": frozenset({"source", "title", "content", "citations"}),
    "tool_use": frozenset({"id", "name", "input", "caller", "toolset_name"}),
    "tool_reference": frozenset({"tool_name"}),
}
"""The fields of a block, besides its type and its breakpoint."""
_EVERYWHERE: Final = frozenset({"type", "cache_control"})
_NEEDED: Final[Mapping[str, tuple[str, type]]] = {
    "tool_reference": ("tool_name", str),
    "browser_state": ("tabs", list),
}
"""The field without which a block in a result says nothing."""
_LOCATED: Final = frozenset({"cited_text", "document_index", "document_title"})
_CITED: Final[Mapping[str, frozenset[str]]] = {
    "char_location": _LOCATED | {"start_char_index", "end_char_index"},
    "page_location": _LOCATED | {"start_page_number", "end_page_number"},
    "content_block_location": _LOCATED | {"start_block_index", "end_block_index"},
    "search_result_location": frozenset(
        {"cited_text", "search_result_index", "source", "title", "start_block_index", "end_block_index"}
    ),
    "web_search_result_location": frozenset({"cited_text", "encrypted_index", "title", "url"}),
}
"""The fields that a citation has to have, by its type."""
_MARKS: Final = ("5m", "1h", None)
_LONGEST_TITLE: Final = 500
"""Characters of a document's title, officially."""


def pruned(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block that a tool or another model made, with the fields that the wire has for it; a copy.

    A breakpoint that is none is left out: it is a hint, and nobody who reads an error wrote it.
    """
    fields = _FIELDS.get(str(block.get("type")))
    kept = {
        name: value
        for name, value in block.items()
        if fields is None or name in _EVERYWHERE or (name in fields and value is not None)
    }
    return without_bad_mark(kept)


def without_bad_mark(block: Mapping[str, Any]) -> dict[str, Any]:
    """``block`` as it is, or without a breakpoint that the wire would refuse; a copy."""
    kept = dict(block)
    if not is_mark(kept.get("cache_control")):
        del kept["cache_control"]
    return kept


def is_whole(block: Mapping[str, Any]) -> bool:
    """Whether a block in a result has the field that makes it one of its type."""
    needed = _NEEDED.get(block["type"])
    return needed is None or isinstance(block.get(needed[0]), needed[1])


def sendable_citations(citations: Any) -> list[dict[str, Any]]:
    """Received citations as they may be sent: no parameter type of one has a ``file_id``, and all have a type.

    Another provider's, those of a type that no parameter has and those that lack a field are left out: the text that
    they belong to is sent.
    """
    return [
        {name: value for name, value in citation.items() if name != "file_id"}
        for citation in (citations if isinstance(citations, (list, tuple)) else ())
        if isinstance(citation, Mapping)
        and isinstance(kind := citation.get("type"), str)
        and kind in _CITED
        and _CITED[kind] <= citation.keys()
    ]


def is_mark(mark: Any) -> bool:
    """Whether the wire takes ``mark`` as a breakpoint; ``None`` is none, and taken."""
    return mark is None or (
        isinstance(mark, Mapping)
        and mark.get("type") == "ephemeral"
        and mark.get("ttl") in _MARKS
        and mark.keys() <= {"type", "ttl"}
    )


def settled(block: Mapping[str, Any], *, made: bool = False) -> dict[str, Any]:
    """An image, a document or a search result as the wire takes it; a copy.

    ``made`` by a tool or another model; what the caller wrote goes through with a source that is not known here.
    Raises ``InvalidInputError`` for what cannot be settled.
    """
    if block["type"] == "search_result":
        return _search_result(block)
    source = block.get("source")
    if not isinstance(source, Mapping):
        raise InvalidInputError(f"is of type {block['type']!r} and needs a source, not {source!r}")
    if not made and isinstance(source.get("type"), str) and source["type"] not in media.SOURCES:
        return dict(block)
    result = media.settled(block)
    for name in ("title", "context") if result["type"] == "document" else ():
        if name in result and not (isinstance(text := result[name], str) and text.strip()):
            del result[name]
    if len(result.get("title", "")) > _LONGEST_TITLE:
        result["title"] = f"{result['title'][: _LONGEST_TITLE - 1]}…"
    return result


def _search_result(block: Mapping[str, Any]) -> dict[str, Any]:
    parts = block.get("content")
    if isinstance(parts, str):
        parts = [parts]
    texts = []
    for part in parts if isinstance(parts, (list, tuple)) else ():
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str) and text.strip():
            mark = part.get("cache_control") if isinstance(part, Mapping) else None
            texts.append({"type": "text", "text": text, **({"cache_control": mark} if mark else {})})
    if not texts:
        raise InvalidInputError("is a search result without text")
    source, title = block.get("source"), block.get("title")
    for name, value in (("source", source), ("title", title)):
        if not isinstance(value, str) or not value.strip():
            raise InvalidInputError(f"is a search result without a {name}")
    return {**block, "content": texts}
