"""Token estimates without network: the tokenizer of these models is not public.

Measured against the counts that the official documentation prints for its own examples ("Token
counting"): 14 tokens estimated for 14 counted (text), 431 for 403 (with a tool), 1,510 for 1,551
(with an image). Against another public tokenizer (tiktoken's, as LlamaIndex ships it): 10 to 17 % too
many for this project's Markdown, 47 % for a licence, 54 % for Python code, 36 % too few for dense JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import to_json

from aivideoapi_core._errors import InvalidInputError

_CHARS_PER_TOKEN: Final = 3.3
"""English prose has about 3.5 to 4, code and JSON about 3; LangChain uses 3.3 for these models."""
_TOKENS_PER_WIDE_CHAR: Final = 0.8
"""For letters beyond Latin, Greek and Cyrillic, which are about a token each or a little less."""
_WIDE: Final = "\u0590"
_TURN_TOKENS: Final = 4
_IMAGE_TOKENS: Final = 1_500
"""A full-size image, officially width x height / 750, at most about 1,600."""
_PDF_BYTES_PER_TOKEN: Final = 20
"""Very rough: 50 KB and about 2,500 tokens a page."""
_TOOL_PROMPT_TOKENS: Final = 340
"""What the official format adds as soon as there are tools."""


def estimate_text_tokens(text: str) -> int:
    """Tokens of a text."""
    try:
        is_ascii = text.isascii()
    except AttributeError:
        raise InvalidInputError(f"tokens are estimated of a text, not of a {type(text).__name__}") from None
    if is_ascii:
        return round(len(text) / _CHARS_PER_TOKEN + 0.5) if text else 0
    wide = sum(char >= _WIDE for char in text)
    return round((len(text) - wide) / _CHARS_PER_TOKEN + wide * _TOKENS_PER_WIDE_CHAR + 0.5)


def estimate_input_tokens(payload: Mapping[str, Any]) -> int:
    """Input tokens of a request: its texts, tools as JSON, a lump for each image, PDFs by size."""
    check_body(payload)
    total = sum(_TURN_TOKENS + _of_content(turn["content"]) for turn in payload["messages"])
    total += _of_content(payload.get("system") or "")
    if tools := payload.get("tools"):
        total += _TOOL_PROMPT_TOKENS + sum(estimate_text_tokens(to_json(tool).decode()) for tool in tools)
    return total


def check_body(payload: Any) -> None:
    """Raise ``InvalidInputError`` for what is no body of a request."""
    if not isinstance(payload, Mapping) or "messages" not in payload:
        raise InvalidInputError(
            "an estimate is of a request's body with model and messages, as build_payload makes it"
        )


def _of_content(content: Any) -> int:
    if isinstance(content, str):
        return estimate_text_tokens(content)
    return sum(_of_block(block) for block in content)


def _of_block(block: Mapping[str, Any]) -> int:
    match block.get("type"):
        case "text":
            return estimate_text_tokens(block["text"])
        case "thinking":
            return estimate_text_tokens(block["thinking"])
        case "image":
            return _IMAGE_TOKENS
        case "document":
            return _of_source(block["source"])
        case "tool_result":
            return _TURN_TOKENS + _of_content(block.get("content") or "")
        case _:
            return estimate_text_tokens(to_json(block).decode())


def _of_source(source: Mapping[str, Any]) -> int:
    match source.get("type"):
        case "text":
            return estimate_text_tokens(source["data"])
        case "base64":
            return len(source["data"]) * 3 // 4 // _PDF_BYTES_PER_TOKEN
        case "content":
            return _of_content(source["content"])
        case _:
            return _IMAGE_TOKENS  # a file we have not seen
