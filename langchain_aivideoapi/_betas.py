"""Beta headers that a request's fields need. Source: official documentation, beta headers, November 2026.

UNVERIFIED: whether the platform passes ``anthropic-beta`` on is undocumented; it is sent where the
official API would refuse the request without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_BY_TOOL_TYPE: Final[Mapping[str, str]] = {
    "advisor_20260301": "advisor-tool-2026-03-01",
    "code_execution_20250522": "code-execution-2025-05-22",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "mcp_toolset": "mcp-client-2025-11-20",
    "memory_20250818": "context-management-2025-06-27",
    "tool_search_tool_bm25_20251119": "advanced-tool-use-2025-11-20",
    "tool_search_tool_regex_20251119": "advanced-tool-use-2025-11-20",
    "web_fetch_20250910": "web-fetch-2025-09-10",
}


def needed_betas(payload: Mapping[str, Any], named: Sequence[str] | None) -> Sequence[str] | None:
    """The betas that the caller named, then those that the request needs; ``None`` if there are none."""
    found = list(_betas_of(payload))
    if not found:
        return named
    return list(dict.fromkeys([*(named or ()), *found]))


def _betas_of(payload: Mapping[str, Any]) -> Iterator[str]:
    for tool in payload.get("tools") or ():
        if (beta := _BY_TOOL_TYPE.get(tool.get("type", "custom"))) is not None:
            yield beta
        if tool.get("input_examples"):
            yield "advanced-tool-use-2025-11-20"
    if payload.get("mcp_servers"):
        yield "mcp-client-2025-11-20"
    if (payload.get("output_config") or {}).get("task_budget"):
        yield "task-budgets-2026-03-13"
    if payload.get("user_profile_id"):
        yield "user-profiles-2026-03-24"
