"""A LlamaIndex conversation as the wire's ``system`` and ``messages``: each message one call of ``Conversation``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import (
    BaseContentBlock,
    CachePoint,
    ChatMessage,
    CitationBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import (
    WIRE_CONTENT,
    Block,
    Content,
    Conversation,
    Turns,
    WireNames,
    answered,
    is_mark,
    kept_blocks,
    read_tool_calls,
    said_beside,
    said_by_kept,
    to_call_input,
)
from llamaindex_aivideoapi._outbound.content import to_blocks, to_mark

ASSISTANT: Final = frozenset({MessageRole.ASSISTANT, MessageRole.MODEL, MessageRole.CHATBOT})
_SYSTEM: Final = frozenset({MessageRole.SYSTEM, MessageRole.DEVELOPER})


def to_conversation(
    messages: Sequence[ChatMessage], *, prefill: bool = True, names: WireNames | None = None
) -> Turns:
    """The system prompt and the turns. The messages are left untouched.

    ``prefill`` says whether the model can continue an assistant turn; ``names`` are those of the
    request's tools. Raises ``InvalidInputError`` for content of a user's or system message that the wire cannot carry.
    """
    given: Sequence[Any] = messages
    for at, message in enumerate(given):
        if not isinstance(message, ChatMessage) or not isinstance(message.role, str):
            role = getattr(message, "role", None)
            raise InvalidInputError(
                f"messages[{at}] must be a ChatMessage with a role, not a {type(message).__name__} with role {role!r}"
            )
    conversation = Conversation(names, answered=answered(messages, lambda each: each.role in ASSISTANT))
    for at, message in enumerate(messages):
        try:
            _add(conversation, message, at)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # made past LlamaIndex' own checks
            raise InvalidInputError(f"messages[{at}] is malformed: {error}") from error
    return conversation.turns(prefill=prefill)


def _add(conversation: Conversation, message: ChatMessage, at: int) -> None:
    mark = _ADDERS.get(message.role, _refuse)(conversation, message, at)
    mark = mark or message.additional_kwargs.get("cache_control")
    if mark is not None:
        conversation.cache_point(mark, at=at)


def _add_written(conversation: Conversation, message: ChatMessage, at: int) -> None:
    """What somebody wrote; each cache point marks what is before it, of an earlier message if need be."""
    content: Content
    if len(message.blocks) == 1 and type(message.blocks[0]) is TextBlock:
        content = message.blocks[0].text
    else:
        content = to_blocks(message.blocks, message=at, made=at < conversation.answered)
    (conversation.system if message.role in _SYSTEM else conversation.user)(content, at=at)


def _refuse(_: Conversation, message: ChatMessage, at: int) -> None:
    raise InvalidInputError(f"messages[{at}] has role {message.role!r}: use one of {', '.join(MessageRole)}")


def _add_result(conversation: Conversation, message: ChatMessage, at: int) -> Any:
    """Take a tool's result; the mark of a cache point in it, if there is one."""
    extra = message.additional_kwargs
    content: Content
    if len(message.blocks) == 1 and type(message.blocks[0]) is TextBlock:
        content = message.blocks[0].text
    else:
        blocks = [block for block in message.blocks if type(block) is not CachePoint]
        content = to_blocks(blocks, message=at, made=True)
    call = extra.get("tool_call_id") or extra.get("tool_use_id") or extra.get("call_id")
    conversation.result(
        None if call is None else str(call),
        content,
        at=at,
        name=extra.get("name"),
        is_error=bool(extra.get("is_error")),
    )
    marks = [to_mark(block) for block in message.blocks if type(block) is CachePoint]
    return next(filter(is_mark, reversed(marks)), None)


def _add_assistant(conversation: Conversation, message: ChatMessage, at: int) -> None:
    extra, blocks = message.additional_kwargs, message.blocks
    calls, kept = extra.get("tool_calls"), extra.get(WIRE_CONTENT)
    if not calls and kept is None and len(blocks) == 1 and type(blocks[0]) is TextBlock:
        conversation.assistant(blocks[0].text, at=at)
        return
    said = None if kept is None else _kept(message, at)
    if said is None:
        said = to_blocks(blocks, message=at, made=True)
    if calls:
        _add_calls(said, calls)
    if all(block.get("text") == "" for block in said):
        said = said_beside(extra) + said
    conversation.assistant(said, at=at, ours=True, paused=extra.get("stop_reason") == "pause_turn")


def _add_calls(said: list[Block], calls: Any) -> None:
    """The calls of an extra; most integrations say them twice, as blocks and as an extra."""
    known = {block["id"] for block in said if block["type"] == "tool_use"}
    for call_id, name, arguments in read_tool_calls(calls):
        if call_id not in known and None not in known:
            said.append({"type": "tool_use", "id": call_id, "name": name, "input": to_call_input(arguments)})


def _kept(message: ChatMessage, at: int) -> list[Block] | None:
    """The reply's own blocks, if they were kept and still say what the message's blocks say."""
    kept = message.additional_kwargs.get(WIRE_CONTENT)
    if not isinstance(kept, list) or not all(
        isinstance(block, Mapping) and "type" in block for block in kept
    ):
        return None
    if said_by_kept(kept) != _said_by(message.blocks):
        return None  # somebody changed the message since
    points = [block for block in message.blocks if type(block) is CachePoint]
    return kept_blocks(kept) + to_blocks(points[-1:], message=at, made=True)


def _said_by(blocks: Sequence[BaseContentBlock]) -> list[Any]:
    said: list[Any] = []
    for block in blocks:
        if isinstance(block, TextBlock):
            said.append(block.text)
        elif isinstance(block, ToolCallBlock):
            said.append((block.tool_call_id, block.tool_name, to_call_input(block.tool_kwargs)))
        elif isinstance(block, ThinkingBlock):
            known = block.additional_information
            said.append((block.content, known.get("signature"), known.get("data")))
        elif not isinstance(block, (CachePoint, CitationBlock)):
            said.append(block)
    return [item for item in said if item != ""]


_ADDERS: Final[Mapping[MessageRole, Callable[[Conversation, ChatMessage, int], Any]]] = {
    MessageRole.USER: _add_written,
    **dict.fromkeys(ASSISTANT, _add_assistant),
    **dict.fromkeys((MessageRole.TOOL, MessageRole.FUNCTION), _add_result),
    **dict.fromkeys(_SYSTEM, _add_written),
}
"""By role; each gives the mark of a cache point in the message, if that is its business."""
