"""A LlamaIndex conversation as the wire's ``system`` and ``messages``.

The wire is stricter than LlamaIndex: user and assistant alternate, every tool call is answered in
the very next turn, results before anything else, ids are unique and of few characters, thinking
comes first, text is never blank. Frameworks make lists that break each of these rules (a memory that
forgot the first half of a tool loop, parallel calls of which one returned early), so the list is
brought into that shape here; nothing that was said is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import (
    BaseContentBlock,
    CachePoint,
    ChatMessage,
    CitationBlock,
    MessageRole,
    ThinkingBlock,
)

from aivideoapi_core import UNANSWERED_CALL, InvalidInputError, OpenToolCalls, orphan_label
from llamaindex_aivideoapi._inbound.message import WIRE_CONTENT, from_blocks
from llamaindex_aivideoapi._outbound.cache import is_cacheable, read_cache_control, to_cache_control
from llamaindex_aivideoapi._outbound.content import (
    WireBlock,
    text_of,
    to_arguments,
    to_block,
    to_tool_name,
)
from llamaindex_aivideoapi._outbound.tools import read_tool_calls

_SYSTEM: Final = frozenset({MessageRole.SYSTEM, MessageRole.DEVELOPER})
_ASSISTANT: Final = frozenset({MessageRole.ASSISTANT, MessageRole.MODEL, MessageRole.CHATBOT})
_RESULT: Final = frozenset({MessageRole.TOOL, MessageRole.FUNCTION})
_THINKING: Final = frozenset({"thinking", "redacted_thinking"})

CONTINUE: Final = "Continue."
"""Sent after an assistant turn at the end, to models that cannot go on with a turn of their own."""


def to_messages(
    messages: Sequence[ChatMessage], *, prefill: bool = True
) -> tuple[list[WireBlock], list[dict[str, Any]]]:
    """The system blocks and the turns. The messages are left untouched.

    System messages anywhere go to the system blocks, in order; alone, they become the user's turn,
    since the wire wants one. ``prefill`` says whether the model can continue an assistant turn.
    Raises ``InvalidInputError`` for content that the wire cannot carry.
    """
    conversation = _Conversation()
    for message in messages:
        conversation.add(message)
    return conversation.finish(prefill=prefill)


class _Conversation:
    """The turns so far. ``_results`` counts the tool results at the head of the open user turn."""

    def __init__(self) -> None:
        self._system: list[WireBlock] = []
        self._turns: list[dict[str, Any]] = []
        self._ids = OpenToolCalls()
        self._results = 0
        self._cacheable: WireBlock | None = None

    def add(self, message: ChatMessage) -> None:
        """Take the next message."""
        role = message.role
        extra = message.additional_kwargs
        if role in _RESULT:
            self._add_result(message)
        elif role in _SYSTEM:
            self._system += self._translated(message.blocks, only_text=True)
        elif role in _ASSISTANT:
            self._add_assistant(message)
        elif blocks := self._translated(message.blocks):
            self._open("user").extend(blocks)
        if "cache_control" in extra and extra["cache_control"] is not None and role not in _RESULT:
            self._mark(read_cache_control(extra["cache_control"]))

    def finish(self, *, prefill: bool) -> tuple[list[WireBlock], list[dict[str, Any]]]:
        """The whole request, with what was left open closed."""
        if self._ids:
            self._answer_open_calls(self._open("user"))
        turns = self._turns
        for turn in turns:
            if turn["role"] == "assistant":
                _put_thinking_first(turn)
        if not turns and self._system:
            return [], [{"role": "user", "content": self._system}]
        if turns and turns[-1]["role"] == "assistant":
            self._finish_assistant(turns, prefill=prefill)
        return self._system, turns

    @staticmethod
    def _finish_assistant(turns: list[dict[str, Any]], *, prefill: bool) -> None:
        last = turns[-1]["content"][-1]
        if _is_server_block(last):
            return  # a turn that the server paused: it goes on by itself
        if not prefill:
            turns.append({"role": "user", "content": [{"type": "text", "text": CONTINUE}]})
        elif last["type"] == "text":
            last["text"] = last["text"].rstrip()  # the wire refuses blanks at the end of a prefill

    def _open(self, role: str) -> list[WireBlock]:
        """The blocks of the turn that goes on or begins with ``role``."""
        if self._turns and self._turns[-1]["role"] == role:
            return self._turns[-1]["content"]  # type: ignore[no-any-return]  # made below
        if role == "assistant" and self._turns and self._ids:
            self._answer_open_calls(self._turns[-1]["content"])
        content: list[WireBlock] = []
        self._turns.append({"role": role, "content": content})
        self._results = 0
        return content

    def _translated(self, blocks: Sequence[BaseContentBlock], *, only_text: bool = False) -> list[WireBlock]:
        """The wire's blocks; cache points mark the block before them, of an earlier message if need be."""
        content: list[WireBlock] = []
        for block in blocks:
            if type(block) is CachePoint:
                self._mark(to_cache_control(block))
            elif (wire := to_block(block)) is not None:
                if only_text and wire["type"] != "text":
                    raise InvalidInputError(
                        f"a system message can only hold text, not {type(block).__name__}; put it in a user message"
                    )
                self._append(content, wire)
        return content

    def _append(self, content: list[WireBlock], wire: WireBlock) -> None:
        content.append(wire)
        if is_cacheable(wire):
            self._cacheable = wire

    def _mark(self, cache_control: dict[str, Any]) -> None:
        if self._cacheable is None:
            raise InvalidInputError("a cache point needs something before it that can be cached")
        self._cacheable["cache_control"] = cache_control

    def _add_assistant(self, message: ChatMessage) -> None:
        blocks = _wire_content(message)
        if blocks is None:
            blocks = self._translated(message.blocks)
        elif blocks:
            self._cacheable = next(
                (block for block in reversed(blocks) if is_cacheable(block)), self._cacheable
            )
        if calls := message.additional_kwargs.get("tool_calls"):
            self._add_calls(blocks, calls)
        if not blocks:
            return
        content = self._open("assistant")  # first: it closes the calls of the turn before
        for block in blocks:
            if block["type"] == "tool_use":
                block["id"] = self._ids.open(block["id"], block["name"])
            content.append(block)

    def _add_calls(self, blocks: list[WireBlock], calls: Any) -> None:
        """The calls of an extra; most integrations say them twice, as blocks and as an extra."""
        known = {block["id"] for block in blocks if block["type"] == "tool_use"}
        for call_id, name, arguments in read_tool_calls(calls):
            if call_id not in known and None not in known:
                wire = {"type": "tool_use", "id": call_id, "name": to_tool_name(name)}
                self._append(blocks, {**wire, "input": to_arguments(arguments)})

    def _add_result(self, message: ChatMessage) -> None:
        extra = message.additional_kwargs
        points = [block for block in message.blocks if type(block) is CachePoint]
        parts = [to_block(block) for block in message.blocks if type(block) is not CachePoint]
        content = [part for part in parts if part is not None]
        call_id = extra.get("tool_call_id") or extra.get("tool_use_id")
        wire_id = self._ids.answer(call_id, extra.get("name"))
        if wire_id is None:
            self._add_orphan(content, call_id)
            return
        result: WireBlock = {"type": "tool_result", "tool_use_id": wire_id}
        if content:
            result["content"] = content
        if extra.get("is_error"):
            result["is_error"] = True
        self._open("user").insert(self._results, result)
        self._results += 1
        self._cacheable = result
        if points:
            self._mark(to_cache_control(points[-1]))
        elif extra.get("cache_control") is not None:
            self._mark(read_cache_control(extra["cache_control"]))

    def _add_orphan(self, content: list[WireBlock], call_id: Any) -> None:
        """A result whose call is gone (memories forget the oldest messages first) is told as text."""
        label = orphan_label(call_id)
        text = text_of(content)
        others = [part for part in content if part["type"] != "text"]
        if text or others:
            for wire in ({"type": "text", "text": f"{label}\n{text}".rstrip()}, *others):
                self._append(self._open("user"), wire)

    def _answer_open_calls(self, turn: list[WireBlock]) -> None:
        for wire_id in self._ids.take_open():
            turn.insert(
                self._results,
                {"type": "tool_result", "tool_use_id": wire_id, "content": UNANSWERED_CALL, "is_error": True},
            )
            self._results += 1


def _wire_content(message: ChatMessage) -> list[WireBlock] | None:
    """The reply's own blocks, if they were kept and still say what the message's blocks say."""
    kept = message.additional_kwargs.get(WIRE_CONTENT)
    if not isinstance(kept, list) or not all(
        isinstance(block, Mapping) and "type" in block for block in kept
    ):
        return None
    if _comparable(from_blocks(kept)) != _comparable(message.blocks):
        return None  # somebody changed the message since
    blocks = []
    for block in kept:
        wire = {name: value for name, value in block.items() if value is not None}
        if wire["type"] == "tool_use":
            wire["input"] = to_arguments(wire.pop("partial_json", wire.get("input")))
        if wire["type"] != "text" or wire["text"].strip():
            blocks.append(wire)
    return blocks


def _comparable(blocks: Sequence[BaseContentBlock]) -> list[Any]:
    return [
        (block.content, block.additional_information.get("signature"))
        if isinstance(block, ThinkingBlock)
        else block
        for block in blocks
        if not isinstance(block, (CachePoint, CitationBlock))
    ]


def _put_thinking_first(turn: dict[str, Any]) -> None:
    content = turn["content"]
    if len(content) < 2:
        return
    kinds = [block["type"] for block in content]
    if kinds[0] in _THINKING and not any(kind in _THINKING for kind in kinds[1:]):
        return
    if _THINKING.isdisjoint(kinds) or any(_is_server_block(block) for block in content):
        return  # after a server tool's result thinking may follow, in its own place
    turn["content"] = sorted(content, key=lambda block: block["type"] not in _THINKING)


def _is_server_block(block: Mapping[str, Any]) -> bool:
    kind = str(block["type"])
    return kind == "server_tool_use" or (kind.endswith("_tool_result") and kind != "tool_result")
