"""Text that can be sent: no lone surrogates in it; and the words for what cannot be sent at all.

A tool, a store or another model makes blocks that the Messages format has no place for (a video, a
thought that somebody else signed). The conversation goes on all the same: such a block is told in words.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import chain
from operator import is_
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

logger = logging.getLogger("aivideoapi")

_LONGEST_NAME: Final = 300
_LONGEST_DATA: Final = 1_000
"""A longer string without a blank is no text: a picture that another provider's tool made."""
_DEEPEST: Final = 100
"""Levels of a conversation's JSON; writers and readers of JSON stop at 128 to 255."""
_NOT_SAID: Final = ("encrypted", "signature", "obfuscat")
"""Parts of the names of fields that only a machine reads."""
_UNSAID_FIELDS: Final = ("type", "cache_control")


def mended(value: Any, *, leaf: Callable[[Any], Any] | None = None) -> Any:
    """``value``, with U+FFFD for every lone surrogate of its texts; the same object if there are none.

    A scraper that cut a text in the middle of an emoji leaves half of a pair, which UTF-8 cannot say.
    ``leaf`` says what becomes of that which is no JSON at all; by default it becomes text.
    """
    if isinstance(value, str):
        return value if value.isascii() else _mended_text(value)
    if _is_ascii(value):
        return value
    if isinstance(value, Mapping):
        pairs = [(mended(name, leaf=leaf), mended(item, leaf=leaf)) for name, item in value.items()]
        is_same = all(map(is_, chain.from_iterable(pairs), chain.from_iterable(value.items())))
        return value if is_same else dict(pairs)
    if isinstance(value, (list, tuple)):
        items = [mended(item, leaf=leaf) for item in value]
        return value if all(map(is_, items, value)) else items
    return value if value is None or type(value) in _LEAVES else (leaf or _mended_leaf)(value)


_LEAVES: Final = (int, bool)


def _mended_leaf(value: Any) -> Any:
    """What is no JSON (NaN, bytes, an object of a tool's) as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    try:
        to_json(value, inf_nan_mode="strings")
    except (PydanticSerializationError, ValueError):
        return in_words(value)
    return value


def in_words(value: Any) -> str:
    """``str(value)``, whatever an object of a tool's makes of that."""
    try:
        return str(mended(str(value)))
    except Exception:  # noqa: BLE001 - a tool's object may do anything when it is asked for its text
        return f"({type(value).__name__})"


def _is_ascii(value: Any) -> bool:
    """Whether a value is plain JSON, and all its texts are ASCII: the answer for most blocks, at a third of the price."""
    kind = type(value)
    if kind is dict:
        for name, item in value.items():
            if type(name) is not str or not name.isascii():
                return False
            if not (item.isascii() if type(item) is str else _is_ascii(item)):
                return False
        return True
    if kind is list:
        return all(map(_is_ascii, value))
    if kind is float:
        return math.isfinite(value)
    return value.isascii() if kind is str else value is None or kind in _LEAVES


def sendable_json(value: Any) -> bytes:
    """``value`` as JSON, its texts ``mended`` where they could not be sent, with a warning.

    Messages are mended one by one, where the place is known; here come tools, metadata and body fields,
    which the caller wrote: an object of theirs is an error, not text.
    Raises ``PydanticSerializationError`` or ``ValueError`` for what is no JSON.
    """
    try:
        return to_json(value)
    except (PydanticSerializationError, ValueError):
        whole = mended(value, leaf=_as_it_is)
        if isinstance(whole, Mapping) and (turns := _shallow(whole.get("messages"))) is not whole.get(
            "messages"
        ):
            whole = {**whole, "messages": turns}
        if whole is value:
            raise
    body = to_json(whole)
    model = value.get("model") if isinstance(value, Mapping) else None
    warn_once(
        "the request held half of a surrogate pair outside its messages, or arguments nested deeper than JSON may be; "
        "they go out as U+FFFD and as text",
        of=("half outside", str(model)),
    )
    return body


def _shallow(value: Any, depth: int = _DEEPEST) -> Any:
    """``value``, the same object unless something in it is nested more than ``depth`` deep: that becomes text."""
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if depth == 0:
        return as_json(value)
    items = list(value.values() if isinstance(value, Mapping) else value)
    cut = [_shallow(item, depth - 1) for item in items]
    if all(map(is_, cut, items)):
        return value
    return dict(zip(value, cut, strict=True)) if isinstance(value, Mapping) else cut


def warn_once(words: str, *, of: Hashable = None) -> None:
    """Log a warning that every later call of the same conversation would repeat, once.

    ``of``: what it speaks of, where its words may differ from call to call; by default its words.
    """
    if is_news(words if of is None else of):
        logger.warning(words)


def is_news(of: Hashable) -> bool:
    """Whether this process has not been told of this before; of the last 1,024 things it remembers."""
    if of in _TOLD_OF:
        return False
    while len(_TOLD_OF) >= _MOST_TOLD_OF:
        _TOLD_OF.pop(next(iter(_TOLD_OF)), None)
    _TOLD_OF[of] = None
    return True


_TOLD_OF: Final[dict[Hashable, None]] = {}
_MOST_TOLD_OF: Final = 1_024


def _as_it_is(value: Any) -> Any:
    return value


def _mended_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def text_block(text: str) -> dict[str, Any]:
    """``text`` as a block."""
    return {"type": "text", "text": text}


def thought_as_text(thought: Any) -> dict[str, Any] | None:
    """Thinking as the text that stands for it, or ``None`` if there is none.

    Neither thinking of another provider nor thinking that a broken stream left unsigned may be sent
    as thinking. Leaving it out would change the conversation unseen, so it stays, marked as what it is.
    """
    said = str(thought or "").strip()
    return text_block(f"<thinking>\n{said}\n</thinking>") if said else None


def told_file(
    kind: str, *, name: Any = None, media_type: Any = None, size: int | None = None, link: Any = None
) -> dict[str, Any]:
    """A file that cannot be sent, in words: its kind, name, type, size in bytes and where it is."""
    facts = [
        f"{name}" if name else "",
        f"{media_type}" if media_type else "",
        f"{size:,} bytes" if size is not None else "",
        f"at {link}" if link and not str(link).startswith("data:") else "",
    ]
    words = ", ".join(fact[:_LONGEST_NAME] for fact in facts if fact)
    return text_block(f"[{kind}{': ' if words else ''}{words}; it cannot be shown here]")


def told(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """A block that may not stand where it was said, as the text that stands for it.

    ``None`` if there is nothing in it that can be read, such as encrypted thinking.
    """
    try:
        return _in_words(block)
    except RecursionError:  # an object of a tool's that holds itself, or is deeper than anybody reads
        return text_block(in_words(block))


def _in_words(block: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = str(block.get("type"))
    if kind == "text":
        return text_block(block["text"]) if str(block.get("text") or "").strip() else None
    if kind == "thinking":
        return thought_as_text(block.get("thinking"))
    if kind == "redacted_thinking":
        return None
    if kind in ("image", "document") and isinstance(source := block.get("source"), Mapping):
        return _told_source(kind, block, source)
    if kind.endswith("tool_use") or kind.endswith("tool_call"):
        name, given = block.get("name") or "a tool", block.get("input", block.get("args"))
        return text_block(f"[Called {name} with {as_json(given or {})}]")
    said = _spoken(block.get("content", {name: block[name] for name in block if name not in _UNSAID_FIELDS}))
    label = kind.replace("_", " ")
    return text_block(f"[{label}: {said}]" if said else f"[{label}]")


def _told_source(kind: str, block: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    data = source.get("data")
    if source.get("type") == "text" and isinstance(data, str) and data.strip():
        return text_block(data)
    if source.get("type") == "content":
        return text_block(_spoken(source.get("content")) or f"[{kind}]")
    return told_file(
        kind,
        name=block.get("title"),
        media_type=source.get("media_type"),
        size=len(data) * 3 // 4 if isinstance(data, str) else None,
        link=source.get("url") or source.get("file_id"),
    )


def _spoken(content: Any) -> str:
    """What is in a block's content to read: its texts, else everything but what only machines read."""
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, Sequence) and content and all(isinstance(part, Mapping) for part in content):
        parts = [told(part) if "type" in part else text_block(as_json(_readable(part))) for part in content]
        return "\n".join(part["text"] for part in parts if part is not None)
    return as_json(_readable(content)) if content else ""


def _readable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _readable(item)
            for name, item in value.items()
            if item is not None and not any(part in str(name) for part in _NOT_SAID)
        }
    if isinstance(value, (list, tuple)):
        return [_readable(item) for item in value]
    if isinstance(value, bytes) or (
        isinstance(value, str) and len(value) > _LONGEST_DATA and " " not in value
    ):
        return f"({len(value):,} characters of data)"
    return value


def as_json(value: Any) -> str:
    """``value`` as JSON text, whatever it is: text of the parts that JSON has no word for."""
    try:
        return to_json(mended(value), fallback=in_words, inf_nan_mode="strings").decode()
    except (
        PydanticSerializationError,
        ValueError,
    ):  # too deep for JSON, or text that cannot be sent in an object
        return in_words(value)
