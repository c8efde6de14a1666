"""Blocks of a reply that a framework kept beside its own: what they say, and how they go back to the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aivideoapi_core._outbound.blocks import Block
from aivideoapi_core._outbound.tool_calls import to_call_input


def kept_blocks(kept: Sequence[Mapping[str, Any]]) -> list[Block]:
    """The blocks as the wire takes them; ``kept`` is left untouched."""
    blocks: list[Block] = []
    for block in map(_as_it_came, kept):
        # A compaction's content is null where all of it is encrypted.
        wire = {
            name: value
            for name, value in block.items()
            if value is not None or (name, block["type"]) == ("content", "compaction")
        }
        raw = wire.pop("partial_json", None)
        if wire["type"] == "tool_use":
            wire |= {"name": wire.get("name") or "", "input": to_call_input(wire.get("input"), raw=raw)}
        blocks.append(wire)
    return blocks


def _as_it_came(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """A block of the reply; words beside a JSON answer are kept as ``non_standard``, which is no block of the wire."""
    value = block.get("value")
    return value if block["type"] == "non_standard" and isinstance(value, Mapping) else block


def said_by_kept(kept: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The parts of a reply that a framework's own blocks can say; texts side by side are one."""
    said: list[Any] = []
    before = ""
    for block in kept:
        kind = block["type"]
        if kind == "text" == before:
            said[-1] += block.get("text") or ""
        elif kind == "text":
            said.append(block.get("text") or "")
        elif kind == "tool_use":
            given = to_call_input(block.get("input"), raw=block.get("partial_json"))
            said.append((block.get("id"), block.get("name") or "", given))
        elif kind in ("thinking", "redacted_thinking"):
            said.append((block.get("thinking"), block.get("signature"), block.get("data")))
        before = kind
    return [item for item in said if item != ""]
