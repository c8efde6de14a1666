"""Messages to turns: roles, merging, tool results in their place, thinking first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolMessage,
)

from aivideoapi_core import UNANSWERED_CALL, InvalidInputError, MessageParam, OpenToolCalls, orphan_label
from langchain_aivideoapi._outbound.content import (
    Block,
    parsed_input,
    thought_as_text,
    to_blocks,
    wire_id,
)

Content: TypeAlias = str | list[Any]
"""A turn's or system prompt's content: text, or wire blocks."""

_THINKING: Final = frozenset({"thinking", "redacted_thinking"})
_CHAT_ROLES: Final = {
    "user": HumanMessage,
    "human": HumanMessage,
    "assistant": AIMessage,
    "ai": AIMessage,
    "model": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
}
_NOT_MADE: Final = "This call was not made: its arguments were not valid JSON."


class Conversation(NamedTuple):
    """``system`` and ``messages`` of a request."""

    system: Content | None
    turns: list[MessageParam]


def to_conversation(messages: Sequence[BaseMessage]) -> Conversation:
    """Translate a conversation; the messages are left untouched.

    System messages are hoisted from wherever they stand, in order, cache breakpoints kept.
    Neighbours of one role become one turn, in which tool results come first. A turn without content
    is left out. A call without a result gets one that says so, a result without a call is told as
    text, and ids are made unique. Raises ``InvalidInputError`` for what the wire cannot hold, naming
    the place.
    """
    builder = _Builder()
    for index, message in enumerate(messages):
        builder.add(index, message)
    return builder.finish()


class _Builder:
    def __init__(self) -> None:
        self._system: list[Content] = []
        self._turns: list[MessageParam] = []
        self._user: list[Content] = []
        self._results: list[Block] = []
        self._assistant: list[Content] = []
        self._nameless: list[str] = []
        """Wire ids of tool calls that came without one, in order, for results that name none."""
        self._calls = OpenToolCalls()
        self._invalid: set[str] = set()
        """Wire ids of the calls that nobody could make."""

    def add(self, index: int, message: BaseMessage) -> None:
        if isinstance(message, HumanMessage):
            self._add_user(index, message.content)
        elif isinstance(message, AIMessage):
            self._add_assistant(index, message)
        elif isinstance(message, ToolMessage):
            self._add_result(index, message)
        elif isinstance(message, SystemMessage):
            self._add_system(index, message.content)
        elif isinstance(message, FunctionMessage):
            self._answer(_result(_function_id(message.name), message.content, index, is_error=False))
        elif isinstance(message, ChatMessage) and message.role in _CHAT_ROLES:
            self.add(index, _CHAT_ROLES[message.role](content=message.content))
        else:
            role = f" with role {message.role!r}" if isinstance(message, ChatMessage) else ""
            raise InvalidInputError(
                f"messages[{index}] is a {type(message).__name__}{role}; send system, human, AI or tool messages"
            )

    def finish(self) -> Conversation:
        if self._assistant:
            self._flush_assistant(last=not self._calls)
        self._flush_user()
        texts = self._system
        if not texts:
            return Conversation(None, self._turns)
        if len(texts) == 1 and isinstance(texts[0], str):
            return Conversation(texts[0], self._turns)
        return Conversation(_joined(texts), self._turns)

    def _add_system(self, index: int, content: Any) -> None:
        if isinstance(content, str):
            if content and not content.isspace():
                self._system.append(content)
            return
        blocks = to_blocks(content, message=index)
        for block in blocks:
            if block["type"] != "text":
                raise InvalidInputError(
                    f"messages[{index}] is a system message with a {block['type']!r} block; "
                    "a system prompt holds text only: put it into a human message"
                )
        if blocks:
            self._system.append(blocks)

    def _add_user(self, index: int, content: Any) -> None:
        if isinstance(content, str):
            if content and not content.isspace():
                self._open_user()
                self._user.append(content)
            return
        blocks = to_blocks(content, message=index)
        if not blocks:
            return
        self._open_user()
        if any(block["type"] == "tool_result" for block in blocks):
            for block in blocks:
                if block["type"] == "tool_result":
                    self._answer(block)
            blocks = [block for block in blocks if block["type"] != "tool_result"]
        if blocks:
            self._user.append(blocks)

    def _answer(self, result: Block) -> None:
        """Take a result to its call; without one, tell it as text."""
        self._open_user()
        given = result["tool_use_id"]
        wire_id = self._calls.answer(given)
        if wire_id is not None:
            self._results.append({**result, "tool_use_id": wire_id})
        else:
            self._user.append(_told(result, given))

    def _add_result(self, index: int, message: ToolMessage) -> None:
        content = message.content
        if isinstance(content, list) and content and all(_is_result(block) for block in content):
            for block in to_blocks(content, message=index):
                self._answer(block)
            return
        if message.tool_call_id:
            tool_use_id = wire_id(message.tool_call_id)
        else:
            tool_use_id = self._nameless.pop(0) if self._nameless else wire_id("")
        self._answer(_result(tool_use_id, content, index, is_error=message.status == "error"))

    def _add_assistant(self, index: int, message: AIMessage) -> None:
        content = message.content
        if (
            isinstance(content, str)
            and not message.tool_calls
            and not message.invalid_tool_calls
            and not message.additional_kwargs
        ):
            if content and not content.isspace():
                self._open_assistant()
                self._assistant.append(content)
            return
        blocks = self._assistant_blocks(index, message)
        if not blocks:
            return
        self._open_assistant()
        self._assistant.append(blocks)
        invalid = {_invalid_id(call, index, number) for number, call in enumerate(message.invalid_tool_calls)}
        for block in blocks:
            if block["type"] == "tool_use":
                given = block["id"]
                block["id"] = self._calls.open(given, block["name"])
                if given in invalid:
                    self._invalid.add(block["id"])

    def _assistant_blocks(self, index: int, message: AIMessage) -> list[Block]:
        provider = message.response_metadata.get("model_provider")
        blocks = to_blocks(message.content, message=index, provider=provider, assistant=True)
        thought = message.additional_kwargs.get("reasoning_content")
        if isinstance(thought, str) and (as_text := thought_as_text(thought)):
            blocks.insert(0, as_text)
        used = {block["id"]: block for block in blocks if block["type"] == "tool_use"}
        for number, call in enumerate(message.tool_calls):
            call_id = call["id"]
            if call_id:
                use_id = wire_id(call_id)
            else:
                use_id = f"call_{index}_{number}"
                self._nameless.append(use_id)
            if (block := used.get(use_id)) is None:
                blocks.append(
                    {"type": "tool_use", "id": use_id, "name": call["name"], "input": dict(call["args"])}
                )
            else:  # the call is what was made, after any edit by a reviewer
                block["name"], block["input"] = call["name"], dict(call["args"])
        for number, invalid in enumerate(message.invalid_tool_calls):
            use_id = _invalid_id(invalid, index, number)
            if (block := used.get(use_id)) is None:
                block = {"type": "tool_use", "id": use_id, "name": invalid["name"] or "unknown", "input": {}}
                blocks.append(block)
            if not block["input"]:  # what the block itself kept is exact
                block["input"] = parsed_input(invalid["args"])
        if not message.tool_calls and (old := message.additional_kwargs.get("function_call")):
            blocks.append(_function_use(old))
        return _thinking_first(blocks)

    def _open_user(self) -> None:
        """What follows belongs to a user turn."""
        if self._assistant:
            self._flush_assistant(last=False)

    def _open_assistant(self) -> None:
        """What follows belongs to an assistant turn."""
        if self._user or self._results:
            self._flush_user()

    def _flush_assistant(self, *, last: bool) -> None:
        parts, self._assistant = self._assistant, []
        content: Content = parts[0] if len(parts) == 1 else _thinking_first(_joined(parts))
        self._turns.append(
            {"role": "assistant", "content": _without_trailing_blanks(content) if last else content}
        )

    def _flush_user(self) -> None:
        parts, results = self._user, self._results
        self._user, self._results = [], []
        results += [_no_result(use_id, invalid=use_id in self._invalid) for use_id in self._calls.take_open()]
        if results:
            self._turns.append({"role": "user", "content": [*results, *_joined(parts)]})
        elif parts:
            content: Content = parts[0] if len(parts) == 1 else _joined(parts)
            self._turns.append({"role": "user", "content": content})


def _joined(parts: Sequence[Content]) -> list[Any]:
    blocks: list[Any] = []
    for part in parts:
        if isinstance(part, str):
            blocks.append({"type": "text", "text": part})
        else:
            blocks += part
    return blocks


def _is_result(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_result"


def _result(tool_use_id: str, content: Any, index: int, *, is_error: bool) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": tool_use_id, "is_error": is_error}
    if isinstance(content, str):
        if content:
            block["content"] = content
    elif blocks := to_blocks(content, message=index):
        block["content"] = blocks
    return block


def _invalid_id(call: InvalidToolCall, index: int, number: int) -> str:
    return wire_id(call["id"]) if call["id"] else f"call_{index}_invalid_{number}"


def _no_result(use_id: str, *, invalid: bool) -> Block:
    """The result of a call that has none; the wire wants one for every call."""
    content = _NOT_MADE if invalid else UNANSWERED_CALL
    return {"type": "tool_result", "tool_use_id": use_id, "content": content, "is_error": True}


def _told(result: Block, call_id: str) -> list[Block]:
    """A result whose call is gone (memories forget the oldest messages first) as text."""
    label = orphan_label(call_id, is_error=bool(result.get("is_error")))
    content = result.get("content", "")
    if isinstance(content, str):
        told: list[Block] = [{"type": "text", "text": f"{label}\n{content}".rstrip()}]
    else:
        told = [{"type": "text", "text": label}, *content]
    if (mark := result.get("cache_control")) is not None:
        told[-1] = {"cache_control": mark, **told[-1]}
    return told


def _function_id(name: str | None) -> str:
    """The wire id of a call of OpenAI's first function calling, which had names only."""
    return wire_id(f"function_{name}")


def _function_use(call: Mapping[str, Any]) -> Block:
    name = call.get("name") or "unknown"
    return {
        "type": "tool_use",
        "id": _function_id(name),
        "name": name,
        "input": parsed_input(call.get("arguments")),
    }


def _is_server_block(block: Block) -> bool:
    kind: str = block["type"]
    return kind == "server_tool_use" or (kind.endswith("_tool_result") and kind != "tool_result")


def _thinking_first(blocks: list[Block]) -> list[Any]:
    """Thinking before everything else of its turn; after a server tool's block it may stand again."""
    if not any(block["type"] in _THINKING for block in blocks):
        return blocks
    ordered: list[Block] = []
    first_free = 0
    for block in blocks:
        if block["type"] in _THINKING:
            ordered.insert(first_free, block)
            first_free += 1
        else:
            ordered.append(block)
            if _is_server_block(block):
                first_free = len(ordered)
    return ordered


def _without_trailing_blanks(content: Content) -> Content:
    """A final assistant turn as the wire takes it: it must not end in white space."""
    if isinstance(content, str):
        return content.rstrip()
    last = content[-1]
    if last["type"] != "text":
        return content
    return [*content[:-1], {**last, "text": last["text"].rstrip()}]
