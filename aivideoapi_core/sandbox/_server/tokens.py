"""Token counts by one fixed rule, and the prompt cache that splits them.

The rule is the sandbox's own (3.5 characters are a token, rounded up per block; a fixed figure for
an image or a binary document): the same request always counts the same, on every machine. It is
no model's tokenizer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

IMAGE_TOKENS: Final = 1_500
DOCUMENT_TOKENS: Final = 1_500
TURN_TOKENS: Final = 3  # role and separators of one message
FIVE_MINUTES_S: Final = 300.0
ONE_HOUR_S: Final = 3_600.0


def count_text(text: str) -> int:
    """Tokens of ``text``: characters / 3.5, rounded up."""
    return -(-len(text) * 2 // 7)


@dataclass(frozen=True, slots=True)
class Segment:
    """One cacheable piece of the prompt; ``ttl_s`` is set where a cache breakpoint ends it."""

    key: bytes
    tokens: int
    ttl_s: float | None


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One prefix in the cache: until when, and how long a hit renews it for."""

    expires_at: float
    ttl_s: float


Cache = MutableMapping[bytes, CacheEntry]


@dataclass(frozen=True, slots=True)
class InputUsage:
    """Input counts of one call, and the prefixes that become cached when it is carried out."""

    usage: dict[str, Any]
    touched: Mapping[bytes, float]


def prompt_segments(body: Mapping[str, Any]) -> list[Segment]:
    """Tools, system and messages of a validated request, in the order in which they are cached."""
    parts = list(_parts(body))
    if body.get("cache_control") and parts:
        last = max((n for n, (_, _, block) in enumerate(parts) if _cacheable(block)), default=len(parts) - 1)
        head, tokens, block = parts[last]
        parts[last] = (head, tokens, {**block, "cache_control": body["cache_control"]})
    digest = hashlib.blake2b(digest_size=16)
    segments = []
    for head, tokens, block in parts:
        plain = {key: value for key, value in block.items() if key != "cache_control"}
        digest.update(
            head.encode("utf-8", "backslashreplace")
            + json.dumps(plain, sort_keys=True).encode("utf-8", "backslashreplace")
        )
        segments.append(Segment(digest.digest(), tokens, _ttl_of(block)))
    return segments


def input_tokens(body: Mapping[str, Any]) -> int:
    """All input tokens of a request, cached or not."""
    return sum(tokens for _, tokens, _ in _parts(body))


def output_tokens(content: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Tokens of an answer's blocks: (all, those of thinking)."""
    total = thinking = 0
    for block in content:
        tokens = block_tokens(block)
        total += tokens
        if block.get("type") in ("thinking", "redacted_thinking"):
            thinking += tokens
    return total, thinking


def plain_usage(tokens: int) -> dict[str, Any]:
    """Input counts of the native route, which has no caching prices: everything is plain input."""
    return {"input_tokens": tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def cached_usage(
    segments: Sequence[Segment], cache: Mapping[bytes, CacheEntry], *, scope: bytes, now: float, minimum: int
) -> InputUsage:
    """Split the input into read, written and plain tokens; ``cache`` is not changed.

    ``scope`` keeps keys and models apart. Prefixes shorter than ``minimum`` tokens are not cached.
    """
    total = sum(segment.tokens for segment in segments)
    marks = [number for number, segment in enumerate(segments) if segment.ttl_s is not None]
    sizes = _running_sizes(segments)
    marks = [number for number in marks if sizes[number] >= minimum]
    touched: dict[bytes, float] = {}
    read = 0
    hit = -1
    for number in range(marks[-1], -1, -1) if marks else ():
        entry = cache.get(scope + segments[number].key)
        if entry is not None and entry.expires_at > now:
            read, hit = sizes[number], number
            touched[scope + segments[number].key] = entry.ttl_s
            break
    written = {FIVE_MINUTES_S: 0, ONE_HOUR_S: 0}
    start = read
    for number in marks:
        ttl_s = segments[number].ttl_s
        if number > hit and ttl_s is not None:
            written[ttl_s] += sizes[number] - start
            start = sizes[number]
            touched[scope + segments[number].key] = ttl_s
    creation = sum(written.values())
    usage: dict[str, Any] = {
        "input_tokens": total - read - creation,
        "cache_creation_input_tokens": creation,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written[FIVE_MINUTES_S],
            "ephemeral_1h_input_tokens": written[ONE_HOUR_S],
        },
    }
    return InputUsage(usage, touched)


def remember(cache: Cache, touched: Mapping[bytes, float], *, now: float) -> None:
    """Write or renew the prefixes of a call that was carried out."""
    for key, ttl_s in touched.items():
        cache[key] = CacheEntry(now + ttl_s, ttl_s)


def block_tokens(block: Mapping[str, Any]) -> int:
    """Tokens of one content block, either direction."""
    match block.get("type"):
        case "text":
            return count_text(str(block.get("text", "")))
        case "thinking":
            return count_text(str(block.get("thinking", ""))) or 1
        case "redacted_thinking":
            return count_text(str(block.get("data", "")))
        case "image":
            return IMAGE_TOKENS
        case "document":
            return _document_tokens(block)
        case "tool_use" | "server_tool_use":
            arguments = json.dumps(block.get("input", {}), ensure_ascii=False)
            return count_text(str(block.get("name", "")) + arguments)
        case "tool_result":
            return 1 + _content_tokens(block.get("content"))
        case _:
            plain = {key: value for key, value in block.items() if key != "cache_control"}
            return count_text(json.dumps(plain, ensure_ascii=False))


def _document_tokens(block: Mapping[str, Any]) -> int:
    source = block.get("source")
    if isinstance(source, Mapping):
        if source.get("type") == "text":
            return count_text(str(source.get("data", "")))
        if source.get("type") == "content":
            return _content_tokens(source.get("content"))
    return DOCUMENT_TOKENS


def _content_tokens(content: object) -> int:
    if isinstance(content, str):
        return count_text(content)
    if isinstance(content, list):
        return sum(block_tokens(block) for block in content if isinstance(block, Mapping))
    return 0


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """(what comes before it, tokens, block) of each piece of the prompt."""
    for tool in body.get("tools") or ():
        plain = {key: value for key, value in tool.items() if key != "cache_control"}
        yield "tool", count_text(json.dumps(plain, ensure_ascii=False)), tool
    system = body.get("system")
    for block in _as_blocks(system) if system else ():
        yield "system", block_tokens(block), block
    for message in body.get("messages") or ():
        for number, block in enumerate(_as_blocks(message["content"])):
            head = "" if number else str(message["role"])
            yield head, block_tokens(block) + (0 if number else TURN_TOKENS), _mark_of_result(block)


def _as_blocks(content: Any) -> Sequence[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _mark_of_result(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool result carries the breakpoint of the blocks inside it."""
    inner = block.get("content")
    if block.get("type") == "tool_result" and "cache_control" not in block and isinstance(inner, list):
        for item in reversed(inner):
            if isinstance(item, Mapping) and item.get("cache_control"):
                return {**block, "cache_control": item["cache_control"]}
    return block


def _cacheable(block: Mapping[str, Any]) -> bool:
    return block.get("type") not in ("thinking", "redacted_thinking")


def _ttl_of(block: Mapping[str, Any]) -> float | None:
    mark = block.get("cache_control")
    if not isinstance(mark, Mapping):
        return None
    return ONE_HOUR_S if mark.get("ttl") == "1h" else FIVE_MINUTES_S


def _running_sizes(segments: Sequence[Segment]) -> list[int]:
    sizes, size = [], 0
    for segment in segments:
        size += segment.tokens
        sizes.append(size)
    return sizes
