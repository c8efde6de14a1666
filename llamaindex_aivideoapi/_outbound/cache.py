"""Cache breakpoints: where LlamaIndex asks for them, and never more than the wire takes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import CachePoint

from aivideoapi_core import MAX_CACHE_BREAKPOINTS, InvalidInputError

logger = logging.getLogger("aivideoapi")

_UNCACHEABLE: Final = frozenset({"thinking", "redacted_thinking"})


def to_cache_control(point: CachePoint) -> dict[str, Any]:
    """A ``CachePoint`` as the wire has it; the time to live is left out where it is the default."""
    return read_cache_control({"type": point.cache_control.type, "ttl": point.cache_control.ttl})


def read_cache_control(value: Any) -> dict[str, Any]:
    """A caller's ``cache_control``. Raises ``InvalidInputError`` for anything the wire would refuse."""
    if not isinstance(value, Mapping) or value.get("type") != "ephemeral":
        raise InvalidInputError(f"cache_control must be {{'type': 'ephemeral'}}, not {value!r}")
    ttl = value.get("ttl", "5m")
    if ttl not in ("5m", "1h"):
        raise InvalidInputError(f"cache_control ttl must be '5m' or '1h', not {ttl!r}")
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}


def is_cacheable(block: Mapping[str, Any]) -> bool:
    """Whether a block may carry ``cache_control``: all but thinking may."""
    return block.get("type") not in _UNCACHEABLE


def limit_breakpoints(
    tools: Sequence[Mapping[str, Any]], system: list[dict[str, Any]], turns: list[Any], *, reserved: int
) -> list[dict[str, Any]]:
    """Keep the last breakpoints of a request (``reserved`` more are set elsewhere) and say so.

    The last ones cover the longest prefixes, so a long conversation stays cached. ``system`` and
    ``turns`` are ours and changed in place; the tools are the caller's, so a copy is returned.
    """
    kept_tools = [dict(tool) for tool in tools]
    marked = _marked_in((*kept_tools, *system))
    for turn in turns:
        marked += _marked_in(turn["content"])
    excess = len(marked) + reserved - MAX_CACHE_BREAKPOINTS
    if excess > 0:
        logger.warning(
            "the request has %d cache breakpoints, the wire takes %d: the first %d are left out",
            len(marked) + reserved, MAX_CACHE_BREAKPOINTS, excess,
        )  # fmt: skip
        for block in marked[:excess]:
            del block["cache_control"]
    return kept_tools


def _marked_in(blocks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks with a breakpoint, in their order; a tool result comes after what it holds."""
    marked: list[dict[str, Any]] = []
    for block in blocks:
        if block.get("type") == "tool_result":
            marked += _marked_in(part for part in block.get("content") or () if isinstance(part, dict))
        if block.get("cache_control") is not None:
            marked.append(block)
    return marked
