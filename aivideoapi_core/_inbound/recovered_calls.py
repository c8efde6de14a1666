"""A forced tool call that came as text.

A route that does not honour ``tool_choice`` lets the model answer in words: the call stands there as bare
JSON, in a fence, in tags or in a wrapper that names the tool. This file reads it, for forced calls alone:
text that nobody asked to be a call is never made one. A reading is taken only if it follows the schema of
a forced tool and no other reading does.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aivideoapi_core._errors import ToolChoiceIgnoredError
from aivideoapi_core._inbound.call_readings import Tools, read_call
from aivideoapi_core._inbound.cut_calls import UNFINISHED
from aivideoapi_core._inbound.schema_check import fits
from aivideoapi_core._received import ContentBlock, Message

RECOVERED: Final = "recovered_tool_call"
"""Key of a message whose call was read from its text: ``True``."""
IGNORED: Final = "tool_choice_ignored"
"""Key of a message that should have been a call and is none: ``True``."""

_MAX_WARNED: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedCall:
    """What a call of the model was forced to, whether the route was told so or the model in words.

    ``tools``: input schemas by name, as they were sent. ``is_last_try``: the reply before this one, in the same run,
    was no call either, or the run would end with one that is none.
    """

    tools: Tools
    is_last_try: bool = False

    def settle(self, message: Message, *, model: str) -> Message:
        """``message`` if it holds a call; else with the call that its text is, or marked as without one.

        Raises ``ToolChoiceIgnoredError`` at the last try: the next reply would be without one as well, and each is paid.
        """
        if holds_call(message) or message["stop_reason"] == "pause_turn":
            return message
        recovered = recover_call(message, self.tools)
        if recovered is not None:
            _warn_once(model)
            return recovered
        if self.is_last_try:
            raise _ignored(message, self.tools)
        return cast("Message", {**message, IGNORED: True})


def settle_text(message: Message, tools: Tools) -> Message:
    """``message`` whose text was asked for as JSON: as it is if it follows the format, a call or not to be read,
    else with the object that stands in its text as a call of the one of ``tools``, which stands for the format.
    """
    text = text_of(message["content"]).strip()
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            if any(fits(value, schema) for schema in tools.values()):
                return message
    return recover_call(message, tools) or message


def forced_call(
    payload: Mapping[str, Any], *, before: Iterable[bool | None] = (), is_last_try: bool = False
) -> ForcedCall | None:
    """What the ``tool_choice`` of a request forces, or ``None`` if nothing that has a schema.

    ``before``: the conversation, newest first: ``None`` for what is no reply, else whether the reply is
    marked with ``IGNORED``. ``is_last_try``: whatever came before.
    """
    choice = payload.get("tool_choice") or {}
    if choice.get("type") not in ("any", "tool"):
        return None
    tools = tool_schemas(payload.get("tools") or (), only=choice.get("name"))
    return ForcedCall(tools=tools, is_last_try=is_last_try or _is_last_try(before)) if tools else None


def _is_last_try(before: Iterable[bool | None]) -> bool:
    """Whether one more reply without its call would be one too many.

    An agent that asks again lets the conversation end with the reply: then it is the second of a run. Where
    somebody spoke since, it may be another run, or an agent that insists in words: the third in a row is
    too many.
    """
    ignored, spoken = 0, False
    for mark in before:
        if mark is None:
            spoken = True
        elif not mark:
            return False
        else:
            ignored += 1
            if ignored == 2 or not spoken:
                return True
    return False


def tool_schemas(tools: Sequence[Any], *, only: str | None = None) -> dict[str, Mapping[str, Any]]:
    """The input schemas of a request's tools by name; server tools have none."""
    return {
        tool["name"]: tool["input_schema"]
        for tool in tools
        if isinstance(tool.get("input_schema"), Mapping) and only in (None, tool.get("name"))
    }


def holds_call(message: Mapping[str, Any]) -> bool:
    """Whether the reply calls a tool of the caller's, whole or cut; what the server calls is its own business."""
    return any(block.get("type") == "tool_use" for block in message["content"])


def recover_call(message: Message, tools: Tools) -> Message | None:
    """``message`` with the call that its text is after the text, or ``None``.

    The new message is marked with ``RECOVERED`` and stops with ``tool_use``. The id of the call is ours,
    and the same whenever the same reply is read.
    """
    if holds_call(message) or message["stop_reason"] in UNFINISHED:
        return None
    text = text_of(message["content"])
    call = read_call(text, tools)
    if call is None:
        return None
    name, arguments = call
    digest = hashlib.sha256(f"{message.get('id')}\n{text}".encode(errors="replace")).hexdigest()
    block = {"type": "tool_use", "id": f"toolu_recovered_{digest[:24]}", "name": name, "input": arguments}
    content = [*message["content"], block]
    return cast("Message", {**message, "content": content, "stop_reason": "tool_use", RECOVERED: True})


def text_of(content: Sequence[ContentBlock]) -> str:
    """All text of a reply, without its thinking."""
    return "".join(block.get("text") or "" for block in content if block.get("type") == "text")


def _ignored(message: Message, tools: Tools) -> ToolChoiceIgnoredError:
    """The error for a reply that should have called one of ``tools``, with what it says instead."""
    names = " or ".join(repr(name) for name in tools)
    text = text_of(message["content"])
    return ToolChoiceIgnoredError(
        f"a call of {names} was forced, and the reply, which was the last try, holds none that can be read "
        f"(stop_reason {message['stop_reason']!r}). It says: {text[:2000]!r}",
        text=text,
    )


_warned: set[str] = set()
"""Models of which this process has been warned."""


def _warn_once(model: str) -> None:
    if model in _warned or len(_warned) >= _MAX_WARNED:
        return
    _warned.add(model)
    warnings.warn(
        f"{model} answered a forced tool call in text, which was read as the call that it means. Where "
        "tool_choice is not honoured, honours_tool_choice=False asks in words instead.",
        stacklevel=2,
    )
