"""The content of one tool's result that the wire allows, and what of it goes behind the results of the turn instead.

A result that says ``is_error`` holds text only, and some; one that holds a search result holds nothing else.
Officially each is a refusal of the whole request, and the result is in the history by then. UNVERIFIED on the
platform's own routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from aivideoapi_core._outbound.text import text_block, told

FAILED_IN_SILENCE: Final = "The tool failed and said nothing."
"""The content of a failed result that has none."""
STANDS_BELOW: Final = "The tool failed; what it gave stands below."
"""The same where all that it gave is no text."""

Content: TypeAlias = str | list[dict[str, Any]] | None

_IN_TURNS: Final = frozenset({"text", "image", "document", "search_result"})
"""Blocks that a user's turn takes beside its results."""


def shared_out(
    content: Content, *, is_error: bool, is_alone: bool = False
) -> tuple[Content, list[dict[str, Any]]]:
    """A result's content as it may stand in the result, and the blocks that go behind the turn's results.

    ``is_alone``: nothing may stand behind them, so that it is told in the result.
    """
    if not content:
        return (FAILED_IN_SILENCE if is_error else content), []
    if isinstance(content, str):
        return content, []
    kinds = {block["type"] for block in content}
    kept = "text" if is_error else "search_result" if "search_result" in kinds else None
    if kept is None or kinds == {kept}:
        return content, []
    if is_alone:
        return [block if block["type"] == "text" else _told(block) for block in content], []
    own = [block for block in content if block["type"] == kept]
    return own or STANDS_BELOW, in_turn(block for block in content if block["type"] != kept)


def in_turn(blocks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks of a result as they may stand in the turn itself: those that may not are told."""
    return [block if block["type"] in _IN_TURNS else _told(block) for block in blocks]


def _told(block: Mapping[str, Any]) -> dict[str, Any]:
    words = told(block) or text_block(f"[{block['type']}]")
    return {**words, "cache_control": block["cache_control"]} if "cache_control" in block else words


def label_of(wire_id: str) -> dict[str, Any]:
    """What stands before the blocks of a result that stand behind the turn's results."""
    return text_block(f"[From the result of the tool call {wire_id}:]")
