"""Citations of a request: the documentation takes them for all of a kind or for none, and not beside a format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aivideoapi_core.sandbox._platform.errors import bad_request


def check_citations(body: Mapping[str, Any]) -> None:
    """Raise ``SandboxError`` (400) for documents or search results of which some are cited."""
    cited: dict[str, set[bool]] = {"document": set(), "search_result": set()}
    for message in body["messages"]:
        for block in _blocks(message["content"]):
            if block["type"] in cited:
                switch = block.get("citations") or {}
                if not isinstance(switch, Mapping):
                    raise bad_request(f"messages: citations of a {block['type']} block should be an object")
                cited[block["type"]].add(bool(switch.get("enabled")))
    for kind, found in cited.items():
        if len(found) > 1:
            raise bad_request(f"messages: citations must be enabled on all or none of the {kind} blocks")
        if True in found and (body.get("output_config") or {}).get("format") is not None:
            raise bad_request("output_config.format: citations cannot be used with structured outputs")


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    for block in content if isinstance(content, list) else ():
        yield block
        if block["type"] == "tool_result":
            yield from _blocks(block.get("content"))
