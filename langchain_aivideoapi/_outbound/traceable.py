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
        if not isinstance(content, list) or not any(map(_needs_a_look, content)):
            continue
        typed: list[Any] = []
        for number, block in enumerate(content):
            if _is_odd(block):
                if isinstance(message, (HumanMessage, SystemMessage)):
                    raise InvalidInputError(
                        f"messages[{place}].content[{number}]: type and source_type must be text: {str(block)[:80]}"
                    )
                typed.append({"type": "text", "text": as_json(block)})
            else:
                typed.append(
                    {**block, "mime_type": _ANY_IMAGE}
                    if isinstance(block, dict) and _lacks_type(block)
                    else block
                )
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


def _needs_a_look(block: Any) -> bool:
    if (
        type(block) is dict and type(kind := block.get("type")) is str and kind != "image"
    ):  # nearly all, at once
        return "source_type" in block and _is_odd(block)
    return _lacks_type(block) or _is_odd(block)


def _is_odd(block: Any) -> bool:
    """Whether a block has lists or objects where words belong, which LangChain looks for in sets."""
    return isinstance(block, dict) and (
        isinstance(block.get("type"), _NO_WORDS) or isinstance(block.get("source_type"), _NO_WORDS)
    )


def _lacks_type(block: Any) -> bool:
    return (
        isinstance(block, Mapping)
        and block.get("type") == "image"
        and "mime_type" not in block
        and ("base64" in block or block.get("source_type") == "base64")
        and "url" not in block
    )
