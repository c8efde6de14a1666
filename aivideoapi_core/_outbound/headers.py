"""Headers: the caller's, checked, and the betas that a request's fields need.

Source of the betas: official documentation, beta headers, November 2026.

UNVERIFIED: whether the platform passes ``anthropic-beta`` on is undocumented; it is sent where the
official API would refuse the request without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.tool_forms import TOOL_CHANGES

_MCP_BY_TOOLSETS: Final = "mcp-client-2025-11-20"
_MCP_BY_SERVERS: Final = "mcp-client-2025-04-04"
"""Deprecated, but the one under which ``mcp_servers`` are enough; the newer wants a toolset for each."""
_BY_TOOL_TYPE: Final[Mapping[str, str]] = {
    "advisor_20260301": "advisor-tool-2026-03-01",
    "code_execution_20250522": "code-execution-2025-05-22",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "mcp_toolset": _MCP_BY_TOOLSETS,
    "memory_20250818": "context-management-2025-06-27",
    "tool_search_tool_bm25_20251119": "advanced-tool-use-2025-11-20",
    "tool_search_tool_regex_20251119": "advanced-tool-use-2025-11-20",
    "web_fetch_20250910": "web-fetch-2025-09-10",
}


_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUE: Final = re.compile(r"[^\t\x20-\x7e]")
_RESERVED: Final = frozenset({"authorization", "content-type", "content-length", "host", "transfer-encoding"})
_DATE: Final = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def build_headers(*sources: Mapping[str, str] | None, betas: Sequence[str] | None = None) -> dict[str, str]:
    """Merge the caller's headers, later ones winning; names in lower case.

    ``betas`` go out as ``anthropic-beta``, together with any the headers name. Raises
    ``InvalidInputError`` for what no header may hold and for headers that belong to the client.
    """
    headers: dict[str, str] = {}
    for source in sources:
        if source and not isinstance(source, Mapping):
            # Never the value: it may be a token.
            raise InvalidInputError(
                f"headers must be a mapping of names to values, not a {type(source).__name__}"
            )
        for name, value in (source or {}).items():
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
                raise InvalidInputError(f"header name {name!r} is not valid")
            if not isinstance(value, str) or _NOT_IN_VALUE.search(value):
                raise InvalidInputError(
                    f"the value of header {name!r} must be ASCII text without control characters"
                )
            if name.lower() in _RESERVED:
                raise InvalidInputError(f"header {name!r} is set by the client; use api_key= for the key")
            headers[name.lower()] = value.strip()
    if betas:
        if isinstance(betas, (str, Mapping)) or not all(
            isinstance(beta, str) and beta.strip() for beta in betas
        ):
            raise InvalidInputError("betas must be a list of names")
        known = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",") if beta.strip()]
        headers |= build_headers({"anthropic-beta": ",".join(dict.fromkeys([*known, *betas]))})
    return headers


def call_headers(
    payload: Mapping[str, Any],
    *,
    default_headers: Mapping[str, str] | None,
    extra_headers: Mapping[str, str] | None,
    betas: Sequence[str] | None,
) -> dict[str, str] | None:
    """The headers of one call, which replace the client's by name; ``None`` if there are none.

    The betas of all three are wanted, and those that the request needs, unless the caller named
    another version of one. Raises ``InvalidInputError`` as ``build_headers`` does.
    """
    needed = list(_betas_of(payload))
    if not (needed or extra_headers or betas):
        return None
    sources = build_headers(extra_headers), build_headers(default_headers), build_headers(betas=betas)
    named = [name for source in sources for name in source.get("anthropic-beta", "").split(",") if name]
    features = {_DATE.sub("", name.strip()) for name in named}
    needed = [beta for beta in needed if _DATE.sub("", beta) not in features]
    if not extra_headers and not betas and not needed:
        return None
    return build_headers(extra_headers, betas=[*named, *needed])


def _betas_of(payload: Mapping[str, Any]) -> Iterator[str]:
    for tool in payload.get("tools") or ():
        if (beta := _BY_TOOL_TYPE.get(tool.get("type", "custom"))) is not None:
            yield beta
        if tool.get("input_examples"):
            yield "advanced-tool-use-2025-11-20"
    if payload.get("mcp_servers"):
        kinds = {tool.get("type") for tool in payload.get("tools") or ()}
        yield _MCP_BY_TOOLSETS if "mcp_toolset" in kinds else _MCP_BY_SERVERS
    if (payload.get("output_config") or {}).get("task_budget"):
        yield "task-budgets-2026-03-13"
    for turn in payload["messages"]:
        if turn["role"] != "user" or type(content := turn["content"]) is str:
            continue
        for block in content:
            if block["type"] in TOOL_CHANGES:  # tools that come and go in the middle of a conversation
                yield "mid-conversation-tool-changes-2026-07-01"
                if (block.get("tool") or {}).get("type") == "tool_definition":
                    yield "inline-tools-2026-09-15"
    if payload.get("user_profile_id"):
        yield "user-profiles-2026-03-24"
