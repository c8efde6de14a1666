"""``Turns``: what a conversation is on the wire, and what is asked of a framework's messages before it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from aivideoapi_core._catalogue.models import model_info
from aivideoapi_core._outbound.blocks import Block
from aivideoapi_core._outbound.params import MessageParam, TextBlockParam
from aivideoapi_core._outbound.thinking import thinking_is_on
from aivideoapi_core._received import ToolNames

Content: TypeAlias = str | Sequence[Mapping[str, Any]]
"""What a message holds: text, or blocks in the wire's form (a tool call's ``id`` may be anything)."""

_M = TypeVar("_M")


class Turns(NamedTuple):
    """``system`` (``None``: there is none) and ``messages`` of a request. One plain text is a ``str``.

    ``results``: what tools made, and files of turns that were answered: ``settle_results`` has to look at them.
    ``names``: of tools that the conversation itself defines and that go out under others. ``pictures``: images that
    the caller has just written. ``citable``: documents and search results.
    """

    system: str | list[TextBlockParam] | None
    messages: list[MessageParam]
    results: Sequence[Block] = ()
    names: ToolNames | None = None
    pictures: Sequence[Block] = ()
    citable: Sequence[Block] = ()


def may_prefill(model: Any, thinking: Any) -> bool:
    """Whether a conversation with ``model`` may end with an assistant turn; while it thinks it may not."""
    is_on = thinking is True or (thinking is not None and thinking_is_on({"thinking": thinking}))
    return isinstance(model, str) and model_info(model).prefill and not is_on


def answered(messages: Sequence[_M], is_reply: Callable[[_M], bool]) -> int:
    """How many of a framework's messages stand before the last reply that something follows."""
    for at in range(len(messages) - 2, 0, -1):
        if is_reply(messages[at]):
            return at
    return 0


def plain(content: Any) -> Any:
    """Text alone as a ``str``, everything else as it is."""
    if len(content) == 1 and len(content[0]) == 2 and content[0]["type"] == "text":
        return content[0]["text"]
    return content
