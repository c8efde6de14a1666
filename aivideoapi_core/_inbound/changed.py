"""Changes of a request undone in its reply, whole or streamed: names of tools, the tool that stands for an output
format, and a forced call that came as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._inbound.output_text import OutputTextRewriter
from aivideoapi_core._inbound.output_tool import OutputTool, OutputToolRewriter
from aivideoapi_core._inbound.recovered_calls import (
    IGNORED,
    RECOVERED,
    ForcedCall,
    forced_call,
    settle_text,
    text_of,
)
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._inbound.tool_names import OwnNamesStream, with_own_names
from aivideoapi_core._inbound.whole import events_of
from aivideoapi_core._inbound.wrapped_value import BareValueStream, with_bare_value
from aivideoapi_core._received import Message, StreamEvent, ToolNames


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a request changed or forced, and its reply is read by.

    ``names``: those of tools that went out under others. ``forced``: the call that the reply must hold.
    ``output_tool``: the name of the tool that stands for an output format which the route does not have.
    ``text_format``: the schema, by its name, of the JSON that the text of the reply is to be. ``is_wrapped``: it
    has the value that was asked for in one field.
    """

    names: ToolNames | None = None
    forced: ForcedCall | None = None
    output_tool: str | None = None
    text_format: Mapping[str, Mapping[str, Any]] | None = None
    is_wrapped: bool = False

    def read(self, reply: Reply) -> Reply:
        """``reply`` as the caller knows it. Raises what ``settled`` raises."""
        return reply if self is _UNCHANGED else self.with_text(self.settled(reply))

    def settled(self, reply: Reply) -> Reply:
        """``reply`` with a forced call that came as text as a call, and with the caller's names.

        Raises ``ToolChoiceIgnoredError`` for the second reply of a run without the call that it must hold.
        """
        if self.names is None and self.forced is None and self.text_format is None:
            return reply
        message = reply.message
        if self.forced is not None:
            message = self.forced.settle(message, model=reply.model)
        if self.text_format is not None:
            message = settle_text(message, self.text_format)
        return replace(reply, message=with_own_names(message, self.names))

    def with_text(self, reply: Reply) -> Reply:
        """``reply`` with the stand-in's input as text, if there is a stand-in."""
        tool = self._tool
        if tool is None:
            return reply
        message = self._as_streamed(reply.message, tool.as_text(reply.message))
        return replace(reply, message=with_bare_value(message) if self.is_wrapped else message)

    def _as_streamed(self, settled: Message, message: Message) -> Message:
        """``message`` with its words where a stream has them: after an answer that began the text, a stream could not
        have known of them.
        """
        if self.text_format is None or RECOVERED not in settled:
            return message
        rewriter = replace(self, names=None, is_wrapped=False).stream(MessageAccumulator())
        came = cast("Message", {**settled, "content": settled["content"][:-1], "stop_reason": "end_turn"})
        for event in events_of(came):
            for _ in rewriter.push(event):
                pass
        said = rewriter.accumulator.partial()
        if said is None or text_of(said["content"]) != text_of(message["content"]):
            return message
        return cast("Message", {**message, "content": said["content"]})

    def stream(self, accumulator: MessageAccumulator) -> ChangedStream:
        """What rewrites the events of one stream; ``accumulator`` is in step with the events as they come."""
        return ChangedStream(self, self._tool, accumulator)

    @property
    def _tool(self) -> OutputTool | None:
        """The stand-in, or for a text that is to be JSON the name that its object goes by."""
        name = next(iter(self.text_format), None) if self.text_format else self.output_tool
        return None if name is None else OutputTool(name)


def changed_by(
    payload: Mapping[str, Any],
    *,
    choice: Any,
    names: ToolNames | None,
    replies: Iterable[Mapping[str, Any] | None],
    is_last_try: bool = False,
    output_tool: str | None = None,
    is_json: bool = False,
    is_wrapped: bool = False,
) -> Changed:
    """What the request with this body changed or forced.

    ``choice``: the tool choice that was meant, be it sent or said in words. ``replies``: what is noted of each
    message before it, newest first, and ``None`` for what is no reply. ``is_last_try``: whoever asks would end with a
    reply that is no call. ``is_json``: the text is to be JSON,
    and ``is_wrapped`` that what was asked for is in one field of it.
    """
    forced = None
    if choice is not None:
        marks = (None if noted is None else noted.get(IGNORED) is True for noted in replies)
        forced = forced_call({**payload, "tool_choice": choice}, before=marks, is_last_try=is_last_try)
    if forced is None and output_tool is not None:  # thinking kept its choice from the request
        forced = forced_call({**payload, "tool_choice": {"type": "tool", "name": output_tool}})
    if names is None and forced is None and output_tool is None and not is_json:
        return _UNCHANGED
    text_format = None
    if is_json and output_tool is None:
        schema = ((payload.get("output_config") or {}).get("format") or {}).get("schema") or {
            "type": "object"
        }
        text_format = {str(schema.get("title") or "answer"): schema}
    return Changed(
        names=names,
        forced=forced,
        output_tool=output_tool,
        text_format=text_format,
        is_wrapped=is_wrapped,
    )


_UNCHANGED: Final = Changed()


def _same_json(one: str, other: str) -> bool:
    """Whether two texts are the same, or the same JSON: a call's arguments stream as the model spaced them."""
    if one == other:
        return True
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False


class ChangedStream:
    """Rewrites the events of one stream; ``accumulator`` is in step with the rewritten ones.

    ``is_plain``: they stay as they are, so that nobody need ask.
    """

    def __init__(self, changed: Changed, tool: OutputTool | None, accumulator: MessageAccumulator) -> None:
        self._names = None if changed.names is None else OwnNamesStream(changed.names)
        self._by_tool: OutputToolRewriter | None = None if tool is None else tool.rewriter()
        if tool is not None and changed.text_format is not None:
            (schema,) = changed.text_format.values()
            self._by_tool = OutputTextRewriter(tool, (schema.get("properties") or {}).keys())
        self._value = BareValueStream() if changed.is_wrapped else None
        last = self._value or self._by_tool or self._names
        self.is_plain = last is None
        self.accumulator = accumulator if last is None else last.accumulator

    def push(self, event: StreamEvent) -> Iterable[StreamEvent]:
        """The events to be translated in place of ``event``, to be taken one by one."""
        named: Iterable[StreamEvent] = (event,) if self._names is None else self._names.push(event)
        if (by_tool := self._by_tool) is None:
            return named
        return self._bare(rewritten for own in named for rewritten in by_tool.push(own))

    def _bare(self, events: Iterable[StreamEvent]) -> Iterable[StreamEvent]:
        if (value := self._value) is None:
            return events
        return (bare for event in events for bare in value.push(event))

    def said_another_text(self, whole: Reply) -> bool:
        """Whether the text that was let through as the JSON asked for is not that of ``whole`` (``Changed.read``): what
        came after it says another, or the arguments had to be mended. To be asked at the end of the stream.
        """
        if self._by_tool is None or (said := self.accumulator.partial()) is None:
            return False
        return not _same_json(text_of(said["content"]), text_of(whole.message["content"]))

    def held(self, settled: Reply) -> Iterable[StreamEvent]:
        """The events that were held back to the end of the stream; ``settled`` is its reply (``Changed.settled``)."""
        return () if self._by_tool is None else self._bare(self._by_tool.finish(settled.message))
