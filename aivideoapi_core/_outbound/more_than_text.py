"""The requests whose replies may hold more than text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aivideoapi_core._outbound.thinking import thinking_is_on


def may_hold_more_than_text(payload: Mapping[str, Any], output_tool: str | None) -> bool:
    """Whether the reply to a request with this body may: calls besides that of ``output_tool``, thinking, citations."""
    tools = payload.get("tools") or ()
    return (
        len(tools) > (output_tool is not None)
        or "mcp_servers" in payload
        or "context_management" in payload
        or thinking_is_on(payload)
        or _has_citing_content(payload["messages"])
    )


def _has_citing_content(turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any document or search result of the conversation may be cited in the reply."""
    contents = [content for turn in turns if type(content := turn["content"]) is not str]
    return bool(contents) and any(_may_be_cited(block) for content in contents for block in _listed(content))


def _may_be_cited(block: Mapping[str, Any]) -> bool:
    if block.get("type") == "tool_result":
        return any(_may_be_cited(part) for part in _listed(block.get("content")))
    citations = block.get("citations")
    return (
        block.get("type") in ("document", "search_result")
        and isinstance(citations, Mapping)
        and bool(citations.get("enabled"))
    )


def _listed(content: Any) -> Sequence[Mapping[str, Any]]:
    return content if isinstance(content, (list, tuple)) else ()
