"""The call that structured output needs: read from the text if it is not there, and an error, never ``None``."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.runnables import Runnable

from aivideoapi_core import ToolChoiceIgnoredError
from aivideoapi_core.adapter_kit import UNFINISHED, read_call
from langchain_aivideoapi._errors import as_langchain
from langchain_aivideoapi._inbound.parsers import read_through


def required_call(tool: Mapping[str, Any], *, advice: str = "") -> Runnable[Any, Any]:
    """Hands a message, or its chunks, on if it calls ``tool``.

    A message that says the call in its text gets it. Raises ``ToolChoiceIgnoredError``, with the text, for
    one that says none, and ``OutputParserException`` for one whose arguments are not whole JSON.
    """
    return read_through(functools.partial(_Seen, tool, advice), name="required_call")


@dataclass(slots=True)
class _Seen:
    """What a message holds so far, whole or in chunks."""

    tool: Mapping[str, Any]
    advice: str
    text: list[str] = field(default_factory=list)
    names: dict[Any, str] = field(default_factory=dict)
    arguments: dict[Any, list[str]] = field(default_factory=dict)
    stop_reason: str | None = None

    def take(self, message: BaseMessage) -> list[BaseMessage]:
        """Note what ``message`` adds. A chunk is handed on as it is, a whole message with what it lacks."""
        self.text.append(message.text)
        self.stop_reason = message.response_metadata.get("stop_reason") or self.stop_reason
        if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
            for piece in message.tool_call_chunks:
                place = piece.get("index")
                if piece["name"]:
                    self.names[place] = piece["name"]
                self.arguments.setdefault(place, []).append(piece["args"] or "")
        elif isinstance(message, AIMessage):
            for place, call in enumerate(message.tool_calls):
                self.names[place] = call["name"]
            for place, spoilt in enumerate(message.invalid_tool_calls, start=len(self.names)):
                self.names[place] = spoilt["name"] or ""
                self.arguments[place] = [spoilt["args"] or "", "\0"]
        if isinstance(message, AIMessage) and not isinstance(message, AIMessageChunk):
            for missing in self.last(message):
                self.names[None] = self.tool["name"]
                return [message.model_copy(update={"tool_calls": missing.tool_calls})]
        return [message]

    def last(self, _: BaseMessage) -> list[AIMessageChunk]:
        """The call, if only the text says it. Raises if nothing does."""
        name, text = self.tool["name"], "".join(self.text)
        mine = [place for place, called in self.names.items() if called == name]
        if mine:
            self._check_arguments("".join(self.arguments.get(mine[0], ())))
            return []
        readable = not self.names and self.stop_reason not in UNFINISHED
        call = read_call(text, {name: self.tool["input_schema"]}) if readable else None
        if call is None:
            raise as_langchain(
                ToolChoiceIgnoredError(
                    f"the model did not call {name!r}, and its answer cannot be read as the call "
                    f"(stop_reason {self.stop_reason!r}).{self.advice} It says: {text[:2000]!r}",
                    text=text,
                )
            )
        piece = tool_call_chunk(name=name, args=json.dumps(call[1]), id=f"toolu_recovered_{name}", index=0)
        return [AIMessageChunk(content="", tool_call_chunks=[piece])]

    def _check_arguments(self, arguments: str) -> None:
        try:
            json.loads(arguments or "{}")
        except ValueError:
            raise OutputParserException(
                f"The arguments of the call of {self.tool['name']!r} are not complete JSON "
                f"(stop_reason {self.stop_reason!r}): {arguments[:2000]}",
                llm_output=arguments,
            ) from None
