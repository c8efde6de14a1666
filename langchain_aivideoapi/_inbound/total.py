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

import math
from typing import Any, Final, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from pydantic import ConfigDict

from aivideoapi_core import ContentBlock
from aivideoapi_core.adapter_kit import cut_place, read_arguments
from langchain_aivideoapi._inbound.fast import recast
from langchain_aivideoapi._inbound.message import to_call, to_calls, to_content


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
        others = other if isinstance(other, (list, tuple)) else [other]
        last = [
            place for place, chunk in enumerate(others) if getattr(chunk, "chunk_position", None) == "last"
        ]
        if not last:
            return super().__add__(other)  # type: ignore[no-any-return]  # core's own
        others = list(others)
        # Core would put calls in place of standard blocks by their id, which servers give twice.
        for place in last:
            others[place] = recast(others[place], type(others[place]), chunk_position=None)
        summed: Any = super().__add__(others)
        return total(summed) if isinstance(summed, FirstChunk) else summed

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
    metadata = summed.response_metadata
    items = [summed.content] if isinstance(summed.content, str) else summed.content
    if settled := [item for item in items if str(_index_of(item)).startswith(SETTLED)]:
        items = settled
    content: Any
    if metadata.get("output_version") == "v1" and isinstance(summed.content, list):
        content, wire = _standard_total(items, metadata.get("stop_reason"))
    else:
        wire = _rejoined(items)
        content = to_content(wire)
    calls, invalid = to_calls(wire, metadata.get("stop_reason"))
    return recast(
        summed,
        AIMessageChunk,
        content=content,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        chunk_position="last",
    )


SETTLED: Final = "lc_settled_"
"""How the index of a block begins that takes the place of all that streamed: the text turned out to mean another."""


def _rejoined(items: list[Any]) -> list[ContentBlock]:
    """The blocks of a sum. Plain strings are the beginning of block 0, which goes on as parts once something came
    that no string can say: a citation that nothing had announced. Blocks stand by their index, as in a whole reply,
    in whatever order they came.
    """
    plain = "".join(item for item in items if isinstance(item, str))
    parts = sorted((item for item in items if not isinstance(item, str)), key=_place_of)
    if not plain:
        return list(map(_whole_block, parts))
    first: ContentBlock = {"type": "text", "text": plain}
    for part in parts:
        if part.get("index") == 0 and part.get("type") == "text":
            first |= {**_whole_block(part), "text": plain + (part.get("text") or "")}
            parts.remove(part)
            break
    return [first, *map(_whole_block, parts)]


def _index_of(item: Any) -> Any:
    return None if isinstance(item, str) else item.get("index")


def _place_of(item: Any) -> float:
    index = _index_of(item)
    return index if isinstance(index, int) else math.inf


def _whole_block(item: Any) -> ContentBlock:
    """A block without the ``index`` that joined its pieces."""
    return {name: value for name, value in item.items() if name != "index"}


def _standard_total(items: list[Any], stop_reason: str | None) -> tuple[list[Any], list[ContentBlock]]:
    """The content of a sum of standard blocks (``output_version="v1"``), which core made of each chunk by itself, and
    the wire's blocks as far as they say which calls are whole.
    """
    blocks = [_whole_block(item) for item in sorted(items, key=_place_of)]
    wire = [_wire_call(block) if block["type"] in _CALLS else {"type": block["type"]} for block in blocks]
    cut = cut_place(wire, stop_reason)
    for place, block in enumerate(blocks):
        if block["type"] in _CALLS:
            extras = {
                name: value for name, value in block.get("extras", {}).items() if name != "partial_json"
            }
            call = to_call(wire[place], stop_reason if place == cut else None)
            blocks[place] = {**call, **({"extras": extras} if extras else {})}
        elif block["type"] == "server_tool_call_chunk":
            arguments, _ = read_arguments(block.get("args"))
            blocks[place] = {**block, "type": "server_tool_call", "args": arguments}
    return [block for block in blocks if block.keys() > {"type", "text"} or block.get("text") != ""], wire


_CALLS: Final = ("tool_call", "tool_call_chunk")


def _wire_call(block: Any) -> ContentBlock:
    """The ``tool_use`` that a standard block is of, with its arguments as the model wrote them."""
    said = block["args"]
    if isinstance(said, str) and not block["name"]:
        said = said[:-1]  # what spoilt it: the core's ``spoiling_end``
    arguments, raw = read_arguments(said)
    raw = block.get("extras", {}).get("partial_json", raw)
    call = {"type": "tool_use", "id": block["id"], "name": block["name"], "input": arguments}
    return call if raw is None else {**call, "partial_json": raw}
