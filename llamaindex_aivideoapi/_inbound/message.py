"""A reply of the wire as LlamaIndex's ``ChatMessage`` and ``ChatResponse``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CitationBlock,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from aivideoapi_core import Message, Reply, TokenCounts
from aivideoapi_core.adapter_kit import WIRE_CONTENT, cut_place, invalid_arguments

_DIRECT_CALLER: Final = {"type": "direct"}
_CAN_SAY: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"type", "text"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "partial_json"}),
}
"""The keys of each block that LlamaIndex's own block can say."""


class Raw(dict[str, Any]):
    """A reply as plain JSON. ``call_id`` is ours and beside it: which call this was, for those who count."""

    call_id: str | None = None


def to_response(reply: Reply, *, delta: str | None = None) -> ChatResponse:
    """The whole reply; the last response of a stream is the same with ``delta=""``.

    ``raw`` is the wire's message with the credits inside ``usage``; ``additional_kwargs`` holds
    ``stop_reason`` and the credits. ``credits_consumed`` is the platform's number as sent,
    ``credits_consumed_micro`` our exact one in microcredits; each is left out when unknown. Where the
    wire lists ``iterations``, they move beside ``usage``, whose counts then include them. The ``usage`` of ``raw`` has
    the counts by the names of other providers too.
    """
    credits_known = _credits(reply)
    # A count that is null would break those who add counts up.
    usage = {name: value for name, value in reply.message["usage"].items() if value is not None}
    usage |= credits_known
    raw = Raw(reply.message, usage=usage, **reply.facts)
    raw.call_id = reply.call_id
    tokens = reply.tokens
    if tokens is not None and usage.get("iterations"):
        # Whoever counts tokens reads these keys alone: they are to hold all that was billed.
        raw["iterations"] = usage.pop("iterations")
        usage |= tokens.as_usage()
    if tokens is not None:
        raw["usage"] = {**usage, **_counts_by_name(tokens)}
    # What the core noted of a forced call: that it was read from text, or that there is none.
    marks = {name: noted for name, noted in reply.message.items() if name in _MARKS}
    extra: dict[str, Any] = {"stop_reason": reply.message["stop_reason"], **credits_known, **marks}
    message = to_message(reply.message, usage=usage, marks=marks)
    # LlamaIndex's own blocks do not say where a citation is, so one with citations is among those that were kept.
    if citations := _citations(message.additional_kwargs.get(WIRE_CONTENT, ())):
        extra["citations"] = citations
    return ChatResponse(message=message, raw=raw, delta=delta, additional_kwargs=extra)


def _counts_by_name(tokens: TokenCounts) -> dict[str, Any]:
    """The counts as ``TokenCountingHandler``, MLflow and OpenLLMetry look for them first, cached tokens included.

    Of the wire's own names they know ``input_tokens`` alone, which is what no cache had.
    """
    return {
        "prompt_tokens": tokens.total_input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.total_input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read},
    }


def _credits(reply: Reply) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if reply.credits_reported is not None:
        known["credits_consumed"] = reply.message["credits_consumed"]
    if (computed := reply.credits_computed) is not None:
        known["credits_consumed_micro"] = computed.micro
    return known


def to_message(message: Message, *, usage: Mapping[str, Any], marks: Mapping[str, Any]) -> ChatMessage:
    """The assistant's message; usage, ``marks`` and stop reason go along: ``raw`` is lost when agents serialise."""
    content, stop_reason = message["content"], message.get("stop_reason")
    blocks = to_content(content, cut=cut_place(content, stop_reason))
    extra: dict[str, Any] = {"usage": dict(usage), "stop_reason": stop_reason, **marks}
    if message.get("container"):
        extra["container"] = message["container"]  # type: ignore[typeddict-item]  # of the code execution tool
    if calls := to_calls(blocks):
        extra["tool_calls"] = calls
    if not _says_everything(content):
        extra[WIRE_CONTENT] = [dict(block) for block in content]
    _count_thinking(blocks, usage)
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=extra)


_MARKS: Final = frozenset({"recovered_tool_call", "tool_choice_ignored"})


def to_content(content: Sequence[Mapping[str, Any]], *, cut: int | None = None) -> list[ContentBlock]:
    """LlamaIndex's blocks for the wire's; server tool blocks have none.

    Neighbouring text blocks become one: the wire splits a sentence where a citation begins, and
    ``ChatMessage.content`` would put a line break there. Where in that content each citation rests is
    among its numbers, as ``answer_start_char_index`` and ``answer_end_char_index``. ``cut``: the place of the call
    that the end of the reply cut.
    """
    blocks: list[ContentBlock] = []
    place = 0
    texts: list[str] = []
    cited: list[ContentBlock] = []
    for number, block in enumerate((*content, _END)):
        kind = block["type"]
        if kind == "text":
            text = block.get("text") or ""
            texts.append(text)
            if citations := block.get("citations"):
                span = {"answer_start_char_index": place, "answer_end_char_index": place + len(text)}
                cited += [_to_citation(citation, span) for citation in citations]
            place += len(text)
            continue
        if text := "".join(texts):
            blocks += [TextBlock(text=text), *cited]
            place += 1  # the line break before the next text
        texts, cited = [], []
        if kind == "tool_use":
            blocks.append(to_call(block, cut=number == cut))
        elif kind == "thinking":
            blocks.append(ThinkingBlock(content=block["thinking"], additional_information=dict(block)))
        elif kind == "redacted_thinking":
            blocks.append(ThinkingBlock(content=None, additional_information=dict(block)))
    return blocks


_END: Final[Mapping[str, Any]] = {"type": ""}


def to_call(block: Mapping[str, Any], *, cut: bool = False) -> ToolCallBlock:
    """A tool call; arguments that were cut are text, so that nobody takes them for whole."""
    raw = invalid_arguments(block, cut=cut) if cut or "partial_json" in block else None
    return ToolCallBlock(
        tool_call_id=block.get("id"),
        tool_name=block.get("name") or "",
        tool_kwargs=block.get("input") or {} if raw is None else raw,
    )


def to_calls(blocks: Sequence[ContentBlock]) -> list[dict[str, Any]]:
    """The tool calls once more, as plain dictionaries: parts of LlamaIndex look for them in
    ``additional_kwargs["tool_calls"]`` only."""
    return [
        {"id": block.tool_call_id, "name": block.tool_name, "input": block.tool_kwargs}
        for block in blocks
        if type(block) is ToolCallBlock  # they are ours; ``isinstance`` asks pydantic
    ]


def with_blocks(response: ChatResponse, blocks: Sequence[ContentBlock]) -> ChatResponse:
    """``response`` with these blocks in place of its own, and without what was kept beside those; ``raw`` keeps all."""
    message = response.message
    extra = {name: value for name, value in message.additional_kwargs.items() if name not in _BESIDE}
    if calls := to_calls(blocks):
        extra["tool_calls"] = calls
    changed = message.model_copy(update={"blocks": [*blocks], "additional_kwargs": extra})
    return response.model_copy(update={"message": changed})


_BESIDE: Final = ("tool_calls", WIRE_CONTENT)


def _to_citation(citation: Mapping[str, Any], span: Mapping[str, int]) -> CitationBlock:
    said = {name: value for name, value in citation.items() if isinstance(value, str)}
    title = said.get("title") or said.get("document_title") or ""
    index = citation.get("document_index")
    source = said.get("source") or said.get("url") or title
    return CitationBlock(
        cited_content=TextBlock(text=said.get("cited_text") or ""),
        source=source or (f"document {index}" if index is not None else ""),
        title=title,
        additional_location_info={
            **{name: value for name, value in citation.items() if type(value) is int},
            **span,
        },  # the offsets; the rest stays in additional_kwargs["citations"]
    )


def _citations(content: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [citation for block in content for citation in block.get("citations") or ()]


def _says_everything(content: Sequence[Mapping[str, Any]]) -> bool:
    """Whether LlamaIndex's blocks alone give the same content back."""
    before = ""
    for block in content:
        kind = block["type"]
        if kind == "text" == before or kind not in _CAN_SAY:
            return False
        beyond = block.keys() - _CAN_SAY[kind]
        if beyond and any(block[key] and block[key] != _DIRECT_CALLER for key in beyond):
            return False
        before = kind
    return True


def _count_thinking(blocks: Sequence[ContentBlock], usage: Mapping[str, Any]) -> None:
    """Where there is one thinking block, the reply's count of thinking tokens is its own."""
    details = usage.get("output_tokens_details")
    if details and isinstance(details, Mapping) and type(tokens := details.get("thinking_tokens")) is int:
        thinking = [block for block in blocks if isinstance(block, ThinkingBlock)]
        if len(thinking) == 1:
            thinking[0].num_tokens = tokens
