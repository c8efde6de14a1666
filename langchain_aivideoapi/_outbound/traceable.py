"""Messages that LangChain's own tracing can read, before it does: it raises for an image without a media type, and for
a block whose type is no text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from pydantic import ValidationError

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import as_json, settings_error

_NO_WORDS: Final = (list, dict, set)
_ANY_IMAGE: Final = "image/png"
"""Said where nobody said anything. On the wire the type is read from the bytes, whatever was declared."""


def traceable(messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
    """``messages``, the same object unless a tool or a user left out an image's type; then with copies that have one.

    What a model or a tool made of a type that is no text is told in words; of a user's it is an ``InvalidInputError``.
    """
    result: list[BaseMessage] | None = None
    for place, message in enumerate(messages):
        content = message.content
        if isinstance(content, list) and any(map(_fault, content)):
            typed = [
                _mended(block, message, at=f"messages[{place}].content[{number}]")
                for number, block in enumerate(content)
            ]
            result = result or [*messages]
            result[place] = message.model_copy(update={"content": typed})
    return messages if result is None else result


def unreadable(given: Any, error: Exception) -> Exception:
    """``error``, raised for what a caller gave in place of messages, naming the one that LangChain cannot read."""
    for place, one in enumerate(given if isinstance(given, (list, tuple)) else ()):
        try:
            convert_to_messages([one])
        except Exception as found:  # noqa: BLE001 - LangChain raises whatever it stumbles over
            said = (
                settings_error(found) if isinstance(found, ValidationError) else str(found).partition("\n")[0]
            )
            return InvalidInputError(
                f"messages[{place}] is no message that LangChain can read ({said}): give {{'role': 'user', "
                f"'content': '...'}}, ('user', '...') or a message class, not {str(one)[:80]}"
            )
    return error


def _fault(block: Any) -> str | None:
    """What tracing would raise for: ``odd``, lists or objects where words belong; ``untyped``, an image without its type."""
    if (
        type(block) is dict
        and type(block.get("type")) is str
        and not ("source_type" in block or block["type"] == "image")
    ):
        return None  # nearly all, at once
    if not isinstance(block, Mapping):
        return None
    kind, source = block.get("type"), block.get("source_type")
    if isinstance(kind, _NO_WORDS) or isinstance(source, _NO_WORDS):
        return "odd"
    if kind != "image" or "mime_type" in block or "url" in block:
        return None
    return "untyped" if source == "base64" or "base64" in block else None


def _mended(block: Any, message: BaseMessage, *, at: str) -> Any:
    fault = _fault(block)
    if fault == "untyped":
        return {**block, "mime_type": _ANY_IMAGE}
    if fault is None:
        return block
    if isinstance(message, (HumanMessage, SystemMessage)):
        raise InvalidInputError(f"{at}: type and source_type must be text: {str(block)[:80]}")
    return {"type": "text", "text": as_json(block)}
