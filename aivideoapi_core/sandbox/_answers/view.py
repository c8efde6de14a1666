"""The view that the rules have of a request: its conversation, read once. Pure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    """One text document or search result that came as a block; ``index`` counts those of its kind.

    ``origin`` is where a search result comes from (``None``: a document), ``ends`` where the text blocks end in
    ``text``, of a search result or of a document that was given in blocks.
    """

    text: str
    title: str | None
    index: int
    citable: bool
    origin: str | None = None
    ends: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A request as the rules see it.

    ``question``: text of the last user turn that is no tool result. ``made`` and ``results``: names
    of the tools called since then, and what came back. ``earlier``: texts of the user before.
    """

    system: str
    question: str
    earlier: tuple[str, ...]
    prefill: str
    made: tuple[str, ...]
    results: tuple[str, ...]
    failed: bool
    sources: tuple[Source, ...]
    images: int
    binaries: int
    tools: tuple[Mapping[str, Any], ...]
    choice: str
    chosen: str | None
    parallel: bool
    thinks: bool
    schema: Mapping[str, Any] | None


def view_of(body: Mapping[str, Any]) -> View:
    """Read a validated request."""
    turns = _turns(body)
    start = _start_of_question(turns)
    asked = turns[start][1] if turns else []
    after = [block for _, blocks in turns[start + 1 :] for block in blocks]
    everything = [block for _, blocks in turns for block in blocks]
    results = [block for block in after if block.get("type") == "tool_result"]
    choice = body.get("tool_choice") or {}
    last_role, last_blocks = turns[-1] if turns else ("user", [])
    thinking = body.get("thinking") or {}
    wanted = (body.get("output_config") or {}).get("format") or {}
    trailing = [
        block for block in after if block.get("type") == "text" and _in_user_turn(block, turns[start + 1 :])
    ]
    return View(
        system=_text_of(body.get("system") or ""),
        question="\n\n".join(part for part in (_text_of(asked), _text_of(trailing)) if part),
        earlier=tuple(_text_of(blocks) for role, blocks in turns[:start] if role == "user"),
        prefill=_text_of(last_blocks) if last_role == "assistant" else "",
        made=tuple(str(block["name"]) for block in after if block.get("type") == "tool_use"),
        results=tuple(_result_text(block) for block in results),
        failed=bool(results) and bool(results[-1].get("is_error")),
        sources=_sources(everything),
        images=_count(everything, "image"),
        binaries=sum(1 for block in _flat(everything) if _is_binary(block)),
        tools=tuple(body.get("tools") or ()),
        choice=str(choice.get("type", "auto")),
        chosen=choice.get("name"),
        parallel=not choice.get("disable_parallel_tool_use", False),
        thinks=body.get("thinkingFlag") is True or thinking.get("type") in ("enabled", "adaptive"),
        schema=wanted.get("schema"),
    )


Block = Mapping[str, Any]


def _turns(body: Mapping[str, Any]) -> list[tuple[str, list[Block]]]:
    turns: list[tuple[str, list[Block]]] = []
    for message in body.get("messages") or ():
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
        role = str(message.get("role"))
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    return turns


def _start_of_question(turns: Sequence[tuple[str, list[Block]]]) -> int:
    for number in range(len(turns) - 1, -1, -1):
        role, blocks = turns[number]
        if role == "user" and not any(block.get("type") == "tool_result" for block in blocks):
            return number
    return 0


def _in_user_turn(block: Block, turns: Sequence[tuple[str, list[Block]]]) -> bool:
    return any(role == "user" and any(item is block for item in blocks) for role, blocks in turns)


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(block["text"]) for block in content if block.get("type") == "text")


def _result_text(block: Block) -> str:
    content = block.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    parts = []
    for item in content:
        match item.get("type"):
            case "text":
                parts.append(str(item["text"]))
            case "search_result":
                parts.append(_text_of(item.get("content") or ()))
            case kind:
                parts.append(f"[{kind}]")
    return "\n".join(parts)


def _flat(blocks: Sequence[Block]) -> list[Block]:
    found: list[Block] = []
    for block in blocks:
        found.append(block)
        inner = block.get("content")
        if block.get("type") == "tool_result" and isinstance(inner, list):
            found.extend(inner)
    return found


def _count(blocks: Sequence[Block], kind: str) -> int:
    return sum(1 for block in _flat(blocks) if block.get("type") == kind)


def _is_binary(block: Block) -> bool:
    source = block.get("source")
    return (
        block.get("type") == "document"
        and isinstance(source, Mapping)
        and source.get("type") in ("base64", "url", "file")
    )


def _sources(blocks: Sequence[Block]) -> tuple[Source, ...]:
    found: list[Source] = []
    index = results = 0
    for block in _flat(blocks):
        citations = block.get("citations")  # a switch on documents, a list on cited text that came back
        citable = isinstance(citations, Mapping) and bool(citations.get("enabled"))
        if block.get("type") == "document":
            source = block.get("source") or {}
            if source.get("type") == "text":
                found.append(Source(str(source["data"]), block.get("title"), index, citable))
            elif source.get("type") == "content":
                text, ends = _in_blocks(source.get("content") or ())
                found.append(Source(text, block.get("title"), index, citable, None, ends))
            index += 1
        elif block.get("type") == "search_result":
            text, ends = _in_blocks(block.get("content") or ())
            origin = str(block.get("source") or "")
            found.append(Source(text, block.get("title"), results, citable, origin, ends))
            results += 1
    return tuple(found)


def _in_blocks(content: Any) -> tuple[str, tuple[int, ...]]:
    """The text of ``content``, and where each of its blocks ends."""
    parts = [content] if isinstance(content, str) else [_text_of([part]) for part in content]
    return "\n".join(parts), tuple(itertools.accumulate(len(part) + 1 for part in parts))


def as_text(value: str) -> str:
    """A tool's result in words: a JSON object as ``key: value`` pairs, anything else as it is."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return value.strip()
    if isinstance(parsed, Mapping):
        return ", ".join(f"{key}: {_scalar(item)}" for key, item in parsed.items())
    if isinstance(parsed, list):
        return "; ".join(_scalar(item) for item in parsed)
    return _scalar(parsed)


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
