"""The translators of one stream, with what the request changed undone: names of tools, and the tool that stands
for an output format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from langchain_core.outputs import ChatGenerationChunk
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from aivideoapi_core import MessageAccumulator, Reply, StreamEvent
from aivideoapi_core.adapter_kit import OwnNamesStream, ToolNames, with_own_names
from langchain_aivideoapi._inbound.chunks import ChunkTranslator
from langchain_aivideoapi._inbound.events import EventTranslator
from langchain_aivideoapi._inbound.output_tool import OutputTool
from langchain_aivideoapi._inbound.total import first_chunk


def read_reply(reply: Reply, output_tool: str | None, names: ToolNames | None) -> Reply:
    """``reply`` with the caller's names, and with the stand-in's input as text, if there is a stand-in."""
    if output_tool is None and names is None:
        return reply
    message = with_own_names(reply.message, names)
    return replace(
        reply, message=message if output_tool is None else OutputTool(output_tool).as_text(message)
    )


class _Rewriter(Protocol):
    """Rewrites events; ``accumulator`` is in step with the rewritten ones."""

    accumulator: MessageAccumulator

    def push(self, event: StreamEvent) -> Iterator[StreamEvent]: ...


class _Both:
    """Two rewriters, one after the other."""

    def __init__(self, first: _Rewriter, second: _Rewriter) -> None:
        self._first, self._second = first, second
        self.accumulator = second.accumulator

    def push(self, event: StreamEvent) -> Iterator[StreamEvent]:
        for rewritten in self._first.push(event):
            yield from self._second.push(rewritten)


def _rewriter(output_tool: str | None, names: ToolNames | None) -> _Rewriter | None:
    by_tool = None if output_tool is None else OutputTool(output_tool).rewriter()
    if names is None:
        return by_tool
    own_names = OwnNamesStream(names)
    return own_names if by_tool is None else _Both(own_names, by_tool)


class ChunkStream:
    """``ChunkTranslator`` for one stream, with what the request changed undone."""

    def __init__(
        self,
        accumulator: MessageAccumulator,
        *,
        structured: bool,
        with_usage: bool,
        output_tool: str | None,
        names: ToolNames | None,
    ) -> None:
        self._changed = output_tool, names
        self._rewritten = _rewriter(output_tool, names)
        self._translator = ChunkTranslator(
            accumulator if self._rewritten is None else self._rewritten.accumulator,
            structured=structured,
            with_usage=with_usage,
        )
        self._feed = self._translator.feed if self._rewritten is None else self._feed_rewritten
        self._begun = False
        self.feed = self._feed_first

    def _feed_first(self, event: dict[str, Any]) -> ChatGenerationChunk | None:
        chunk = self._feed(event)
        if chunk is None or self._begun:
            return chunk
        self._begun, self.feed = True, self._feed
        return first_chunk(chunk)

    def _feed_rewritten(self, event: dict[str, Any]) -> ChatGenerationChunk | None:
        assert self._rewritten is not None  # noqa: S101 - for the type checker; feed is only this one then
        fed = [self._translator.feed(rewritten) for rewritten in self._rewritten.push(event)]
        return merge_chat_generation_chunks([chunk for chunk in fed if chunk is not None])

    def last(self, reply: Reply) -> ChatGenerationChunk:
        """See ``ChunkTranslator.last``."""
        chunk = self._translator.last(read_reply(reply, *self._changed))
        if not self._begun:
            chunk.message.content = ""  # the only chunk is the whole message
        return chunk


class EventStream:
    """``EventTranslator`` for one stream, with what the request changed undone."""

    def __init__(
        self,
        accumulator: MessageAccumulator,
        *,
        model: str,
        message_id: str,
        with_usage: bool,
        output_tool: str | None,
        names: ToolNames | None,
    ) -> None:
        self._with_usage = with_usage
        self._changed = output_tool, names
        self._rewritten = _rewriter(output_tool, names)
        self._translator = EventTranslator(
            accumulator if self._rewritten is None else self._rewritten.accumulator,
            model=model,
            message_id=message_id,
        )
        self.start = self._translator.start
        self.feed = self._translator.feed if self._rewritten is None else self._feed_rewritten

    def _feed_rewritten(self, event: dict[str, Any]) -> list[Any]:
        assert self._rewritten is not None  # noqa: S101 - for the type checker; feed is only this one then
        return [
            translated
            for rewritten in self._rewritten.push(event)
            for translated in self._translator.feed(rewritten)
        ]

    def finish(self, reply: Reply) -> list[Any]:
        """See ``EventTranslator.finish``."""
        return self._translator.finish(read_reply(reply, *self._changed), with_usage=self._with_usage)
