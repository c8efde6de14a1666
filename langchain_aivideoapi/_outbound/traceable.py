"""Messages that LangChain's own tracing can read, before it does: it raises for an image without a media type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import BaseMessage

_ANY_IMAGE: Final = "image/png"
"""Said where nobody said anything. On the wire the type is read from the bytes, whatever was declared."""


def traceable(messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
    """``messages``, the same object unless a tool or a user left out an image's type; then with copies that have one."""
    result: list[BaseMessage] | None = None
    for place, message in enumerate(messages):
        content = message.content
        if not isinstance(content, list) or not any(map(_lacks_type, content)):
            continue
        typed: list[Any] = [
            {**block, "mime_type": _ANY_IMAGE} if _lacks_type(block) and isinstance(block, dict) else block
            for block in content
        ]
        result = result or [*messages]
        result[place] = message.model_copy(update={"content": typed})
    return messages if result is None else result


def _lacks_type(block: Any) -> bool:
    return (
        isinstance(block, Mapping)
        and block.get("type") == "image"
        and "mime_type" not in block
        and ("base64" in block or block.get("source_type") == "base64")
        and "url" not in block
    )
