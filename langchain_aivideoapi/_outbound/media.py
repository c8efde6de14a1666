"""LangChain's images and files, standard blocks of either version, with their fields where the core looks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_BESIDE: Final = ("cache_control", "citations", "title", "context", "filename", "name")
"""Fields of files that may stand in ``extras`` or ``metadata`` too."""


def plain_file(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """A block that holds a file as the core's ``MEDIA_FORMS`` read it."""
    kind, own = item.get("source_type"), item.get("id")
    if item["type"] == "document" or ("source" in item and kind is None):
        return item  # the wire's own form
    found = {**item, **{name: value for name in _BESIDE if (value := extra(item, name)) is not None}}
    if not item.get("base64") and kind in (None, "base64") and item.get("data"):
        found["base64"] = item["data"]
    # LangChain's own view of a received file block keeps the file id in ``id``.
    is_file_id = isinstance(own, str) and (kind == "id" or not own.startswith("lc_"))
    if not item.get("file_id") and is_file_id:
        found["file_id"] = own
    return found


def extra(item: Mapping[str, Any], name: str) -> Any:
    """A field that may stand on the block, in its ``extras`` or (older) in its ``metadata``."""
    value = item.get(name)
    for holder in ("extras", "metadata"):
        if value is None and isinstance(item.get(holder), Mapping):
            value = item[holder].get(name)
    return value


def with_cache_control(block: dict[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """``block``, with the breakpoint that ``item`` has."""
    if (cache_control := extra(item, "cache_control")) is not None:
        block["cache_control"] = cache_control
    return block
