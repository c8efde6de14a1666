"""Citations of a request's documents and search results: the wire takes them for all of a kind or for none.

They come from several hands (the user's file, a tool's search, a retriever), and one that differs has every request
refused. UNVERIFIED on the platform's own routes: the rules are the official documentation's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._outbound.text import warn_once

_KINDS: Final = ("document", "search_result")


def settle_citations(
    citable: Sequence[dict[str, Any]], tools: Sequence[Mapping[str, Any]], *, has_format: bool
) -> None:
    """Let all of a kind be cited where some are to be, or none where the answer has a format. ``citable`` are changed.

    With the server's web search, search results are always to be cited.
    """
    is_searching = any(str(tool.get("type")).startswith("web_search") for tool in tools)
    for kind in _KINDS:
        blocks = [block for block in citable if block["type"] == kind]
        cited = [block for block in blocks if _is_cited(block)]
        if cited and has_format:
            warn_once("an answer that follows a schema cannot cite: citations are switched off for this call")
            for block in cited:
                del block["citations"]
        elif (
            not has_format
            and len(cited) < len(blocks)
            and (cited or (is_searching and kind == "search_result"))
        ):
            if cited:
                warn_once(
                    f"citations are on for some of the request's {kind}s, which the wire refuses: all are cited"
                )
            for block in blocks:
                block["citations"] = {"enabled": True}


def _is_cited(block: Mapping[str, Any]) -> bool:
    citations = block.get("citations")
    return isinstance(citations, Mapping) and bool(citations.get("enabled"))
