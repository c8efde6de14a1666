"""The sum of a stream's chunks as the message that ``invoke`` returns, to the last key: a clever corner of its own.

LangChain adds chunks up by rules that leave their marks: blocks keep the ``index`` by which they
were joined, text that came as blocks stays a list of one, a cut tool call loses the text of its
arguments. So the first chunk of a stream is of a class of its own, whose ``+`` tidies the total up
once the last chunk is in it. Totals are plain ``AIMessageChunk`` objects; the class of the first
chunk shows in no dump, trace or representation.

What breaks without it: a message that was streamed differs from one that was not, in the history and in the next
request (``tests/langchain/test_total.py``). It costs 1.5 µs for each stream, and nothing for each chunk.
"""

from __future__ import annotations

import json
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from pydantic import ConfigDict
from pydantic_core import from_json

from aivideoapi_core import ContentBlock
from aivideoapi_core.adapter_kit import call_error
from langchain_aivideoapi._inbound.fast import recast
from langchain_aivideoapi._inbound.message import to_calls, to_content


class _ToMessage:
    """What ``message_chunk_to_message`` makes of a first chunk: it calls the class's first parent."""

    def __new__(cls, **fields: Any) -> Any:
        if cls is _ToMessage:
            return AIMessage(**fields)
        return super().__new__(cls)


class FirstChunk(_ToMessage, AIMessageChunk):
    """The first chunk of a stream, and the sum of it and others as long as the last one is missing."""

    model_config = ConfigDict(defer_build=True)  # the validator is made at the first sum, not at import

    # Checkpoints write the name of the class down; what they store shall be a plain chunk.
    __module__ = AIMessageChunk.__module__

    @classmethod
    def lc_id(cls) -> list[str]:
        """As for any chunk, so that ``load`` knows it."""
        return AIMessageChunk.lc_id()

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_first, (recast(self, AIMessageChunk),)

    def __eq__(self, other: object) -> bool:
        plain = recast(other, AIMessageChunk) if isinstance(other, FirstChunk) else other
        return recast(self, AIMessageChunk) == plain

    __hash__ = None  # type: ignore[assignment]  # as for every message

    def __add__(self, other: Any) -> BaseMessageChunk:  # type: ignore[override]  # core overloads by sequences
        summed: BaseMessageChunk = super().__add__(other)
        if isinstance(summed, FirstChunk) and summed.chunk_position == "last":
            return total(summed)
        return summed

    def __radd__(self, other: Any) -> Any:
        """After an empty chunk that somebody began a sum with."""
        if not isinstance(other, AIMessageChunk):
            return NotImplemented
        if other.content or other.tool_call_chunks or other.chunk_position:
            return AIMessageChunk.__add__(other, self)
        return recast(AIMessageChunk.__add__(other, self), FirstChunk, content=self.content)


FirstChunk.__name__ = FirstChunk.__qualname__ = AIMessageChunk.__name__


def _as_first(chunk: AIMessageChunk) -> AIMessageChunk:
    return recast(chunk, FirstChunk)


def first_chunk(chunk: ChatGenerationChunk) -> ChatGenerationChunk:
    """``chunk`` as the first of its stream."""
    chunk.message = recast(cast("AIMessageChunk", chunk.message), FirstChunk)
    return chunk


def total(summed: AIMessageChunk) -> AIMessageChunk:
    """The sum of all chunks in the form of a whole message."""
    metadata, content = summed.response_metadata, summed.content
    reason = metadata.get("stop_reason")
    if metadata.get("output_version") == "v1" and isinstance(content, list):
        return _standard_total(summed, reason)
    blocks = _rejoined([content] if isinstance(content, str) else content)
    calls, invalid = to_calls(blocks, reason)
    return recast(
        summed, AIMessageChunk, content=to_content(blocks), tool_calls=calls, invalid_tool_calls=invalid
    )


def _rejoined(items: list[Any]) -> list[ContentBlock]:
    """The blocks of a sum. Plain strings are the beginning of block 0, which goes on as parts once something came
    that no string can say: a citation that nothing had announced. Blocks stand by their index, as in a whole reply,
    in whatever order they came.
    """
    plain = "".join(item for item in items if isinstance(item, str))
    parts = sorted((item for item in items if not isinstance(item, str)), key=_index_of)
    if not plain:
        return list(map(_whole_block, parts))
    first: ContentBlock = {"type": "text", "text": plain}
    for part in parts:
        if part.get("index") == 0 and part.get("type") == "text":
            first |= {**_whole_block(part), "text": plain + (part.get("text") or "")}
            parts.remove(part)
            break
    return [first, *map(_whole_block, parts)]


def _index_of(item: Any) -> int:
    index = item.get("index")
    return index if isinstance(index, int) else 0


def _whole_block(item: Any) -> ContentBlock:
    """A block without the ``index`` that joined its pieces."""
    return {name: value for name, value in item.items() if name != "index"}


def _standard_total(summed: AIMessageChunk, stop_reason: str | None) -> AIMessageChunk:
    """The same for standard blocks (``output_version="v1"``), which core made of each chunk by itself."""
    blocks: list[Any] = [_whole_block(item) for item in summed.content]
    spoilt = {call["id"]: call for call in summed.invalid_tool_calls}
    invalid: list[Any] = []
    for number, block in enumerate(blocks):
        if block["type"] != "tool_call_chunk" or (call := spoilt.get(block.get("id"))) is None:
            continue
        extras = dict(block.get("extras") or {})
        said = {
            "args": _unspoilt(extras.pop("partial_json", None), call["args"]),
            "error": call_error(block, stop_reason),
        }
        invalid.append({**call, **said})
        blocks[number] = {**call, **said, **({"extras": extras} if extras else {})}
    return recast(summed, AIMessageChunk, content=blocks, invalid_tool_calls=invalid)


def _unspoilt(raw: str | None, spoilt: str | None) -> str | None:
    """The arguments as the model wrote them; see ``chunks.spoiling``.

    Without ``raw`` a server made cut arguments whole before it sent them: one bracket was put after them.
    """
    if raw is not None or not spoilt:
        return raw if raw is not None else spoilt
    try:
        return json.dumps(from_json(spoilt[:-1]), ensure_ascii=False)
    except ValueError:
        return spoilt
