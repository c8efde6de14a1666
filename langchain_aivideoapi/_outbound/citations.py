"""LangChain's annotations back to the wire's citations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KINDS: Final = (
    ("start_char_index", "char_location", "document_title"),
    ("start_page_number", "page_location", "document_title"),
    ("search_result_index", "search_result_location", "title"),
    ("start_block_index", "content_block_location", "document_title"),
)
"""The field that only one kind of citation has, the kind, and what it calls the title.

``langchain_core`` drops the kind when it makes an annotation. A search result location has block
indices too, so it stands before the content block location.
"""


def to_citation(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """One citation as the wire sent it; empty if it does not say enough."""
    if annotation.get("type") == "non_standard_annotation":
        return dict(annotation["value"])
    extras = annotation.get("extras") or {}
    kind, title_field = "web_search_result_location", "title"
    if "url" not in annotation:
        for field, candidate, candidate_title in _KINDS:
            if field in extras:
                kind, title_field = candidate, candidate_title
                break
        else:
            return {}  # of no kind of the wire's, as one that came without its place: the core leaves it out
    citation = {"type": kind, "cited_text": annotation.get("cited_text", ""), **extras}
    if "url" in annotation:
        citation["url"] = annotation["url"]
    citation[title_field] = annotation.get("title")  # core drops one that is null, and the wire asks for it
    return citation
