"""A LangChain conversation as the wire's ``system`` and ``messages``: each message one call of ``Conversation``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import (
    Block,
    Content,
    Conversation,
    Turns,
    WireNames,
    answered,
    place_of_call,
    said_beside,
    thought_as_text,
    to_call_input,
)
from langchain_aivideoapi._outbound.content import TRUSTED, to_blocks, to_result

_CHAT_ROLES: Final = {
    "user": HumanMessage,
    "human": HumanMessage,
    "assistant": AIMessage,
    "ai": AIMessage,
    "model": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
}


def to_conversation(
    messages: Sequence[BaseMessage], *, prefill: bool = True, names: WireNames | None = None
) -> Turns:
    """The system prompt and the turns. The messages are left untouched.

    ``prefill`` says whether the model can continue an assistant turn; ``names`` are those of the request's tools. Raises ``InvalidInputError`` for
    content of a human or system message that the wire cannot carry, naming the place.
    """
    conversation = Conversation(names, answered=answered(messages, lambda each: isinstance(each, AIMessage)))
    for at, message in enumerate(messages):
        _add(conversation, message, at)
    return conversation.turns(prefill=prefill)


def _add(conversation: Conversation, message: BaseMessage, at: int) -> None:
    add = _ADDERS.get(type(message))
    if add is None:
        add = next((way for cls, way in _ADDERS.items() if isinstance(message, cls)), _refuse)
    add(conversation, message, at)


def _add_written(conversation: Conversation, message: HumanMessage | SystemMessage, at: int) -> None:
    content: Any = message.content
    if not isinstance(content, str):
        content = to_blocks(content, message=at, made=at < conversation.answered)
    (conversation.system if isinstance(message, SystemMessage) else conversation.user)(content, at=at)


def _add_function(conversation: Conversation, message: FunctionMessage, at: int) -> None:
    conversation.result(None, to_result(message.content, message=at), at=at, name=message.name)


def _add_chat(conversation: Conversation, message: ChatMessage, at: int) -> None:
    if message.role in _CHAT_ROLES:
        _add(conversation, _CHAT_ROLES[message.role](content=message.content), at)
    elif message.role in ("tool", "function"):
        conversation.result(None, to_result(message.content, message=at), at=at)
    else:
        _refuse(conversation, message, at)


def _refuse(_: Conversation, message: BaseMessage, at: int) -> None:
    role = f" with role {message.role!r}" if isinstance(message, ChatMessage) else ""
    raise InvalidInputError(
        f"messages[{at}] is a {type(message).__name__}{role}; send system, human, AI or tool messages"
    )


def _add_result(conversation: Conversation, message: ToolMessage, at: int) -> None:
    content: Content = to_result(message.content, message=at)
    if content and not isinstance(content, str) and all(block["type"] == "tool_result" for block in content):
        conversation.user(content, at=at)  # results in the wire's own form, ids and all
        return
    conversation.result(
        message.tool_call_id or None, content, at=at, name=message.name, is_error=message.status == "error"
    )


def _add_assistant(conversation: Conversation, message: AIMessage, at: int) -> None:
    content, extra = message.content, message.additional_kwargs
    if isinstance(content, str) and not message.tool_calls and not message.invalid_tool_calls and not extra:
        conversation.assistant(content, at=at)
        return
    provider = message.response_metadata.get("model_provider")
    blocks = to_blocks(content, message=at, provider=provider, assistant=True) if content else []
    thought = extra.get("reasoning_content")
    if isinstance(thought, str) and (as_text := thought_as_text(thought)) is not None:
        blocks.insert(0, as_text)
    if not blocks:
        blocks = said_beside(extra)
    not_made = _add_calls(blocks, message)
    conversation.assistant(
        blocks,
        at=at,
        ours=provider in TRUSTED,
        not_made=not_made,
        paused=message.response_metadata.get("stop_reason") == "pause_turn",
    )


def _add_calls(blocks: list[Block], message: AIMessage) -> set[int]:
    """Add the calls that stand beside the content, and say in its blocks what was made of them.

    Returns the places of the calls that nobody could make.
    """
    waiting = {place: block for place, block in enumerate(blocks) if block["type"] == "tool_use"}
    for call in message.tool_calls:
        block = blocks[place_of_call(blocks, waiting, call)]
        block["name"], block["input"] = call["name"], dict(call["args"])  # after any edit by a reviewer
    not_made: set[int] = set()
    for invalid in message.invalid_tool_calls:
        place = place_of_call(blocks, waiting, invalid)
        if not blocks[place]["input"]:  # what the block itself kept is exact
            blocks[place]["input"] = to_call_input(None, raw=invalid["args"])
        not_made.add(place)
    if not message.tool_calls and (old := message.additional_kwargs.get("function_call")):
        called = {"type": "tool_use", "id": None, "name": old.get("name") or "unknown"}
        blocks.append({**called, "input": to_call_input(old.get("arguments"))})
    return not_made


_ADDERS: Final[Mapping[type[BaseMessage], Callable[[Conversation, Any, int], None]]] = {
    HumanMessage: _add_written,
    AIMessage: _add_assistant,
    ToolMessage: _add_result,
    SystemMessage: _add_written,
    FunctionMessage: _add_function,
    ChatMessage: _add_chat,
}
