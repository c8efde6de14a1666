"""The translators of one stream, with what the request changed undone: names of tools, the tool that stands for
an output format, and a forced call that came as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.outputs import ChatGenerationChunk
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from aivideoapi_core import MessageAccumulator, Reply, StreamEvent
from aivideoapi_core.adapter_kit import ForcedCall, OwnNamesStream, ToolNames, with_own_names
from langchain_aivideoapi._inbound.chunks import ChunkTranslator
from langchain_aivideoapi._inbound.events import EventTranslator
from langchain_aivideoapi._inbound.output_tool import OutputTextRewriter, OutputTool, OutputToolRewriter
from langchain_aivideoapi._inbound.total import first_chunk


@dataclass(frozen=True, slots=True)
class Changed:
    """What the request changed or forced, and the reply is read by."""

    output_tool: str | None = None
    text_format: Mapping[str, Mapping[str, Any]] | None = None
    names: ToolNames | None = None
    forced: ForcedCall | None = None

    def read(self, reply: Reply) -> Reply:
        """``reply`` as the caller knows it. Raises what ``settled`` raises."""
        return self.with_text(self.settled(reply))

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
            from aivideoapi_core.adapter_kit import settle_text

            message = settle_text(message, self.text_format)
        return replace(reply, message=with_own_names(message, self.names))

    def with_text(self, reply: Reply) -> Reply:
        """``reply`` with the stand-in's input as text, if there is a stand-in."""
        tool = self.tool
        return reply if tool is None else replace(reply, message=tool.as_text(reply.message))

    @property
    def tool(self) -> OutputTool | None:
        """The stand-in, or for a text that is to be JSON the name that its object goes by."""
        name = next(iter(self.text_format), None) if self.text_format else self.output_tool
        return None if name is None else OutputTool(name)


if TYPE_CHECKING:  # making a protocol takes a third of a millisecond

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


class _Rewriters:
    """The rewriters of one stream, if it needs any."""

    def __init__(self, changed: Changed) -> None:
        tool = changed.tool
        self._text = None if tool is None or changed.text_format is None else OutputTextRewriter(tool)
        by_tool = self._text or (None if tool is None else tool.rewriter())
        self._by_tool: OutputToolRewriter | None = by_tool
        self.rewriter: _Rewriter | None = by_tool
        if changed.names is not None:
            own_names = OwnNamesStream(changed.names)
            self.rewriter = own_names if by_tool is None else _Both(own_names, by_tool)

    def held(self, settled: Reply) -> Iterable[StreamEvent]:
        """The events that were held back to the end of the stream."""
        return () if self._by_tool is None or self.passing else self._by_tool.finish(settled.message)

    @property
    def passing(self) -> bool:
        """Whether what comes from here on needs no rewriting."""
        return self._text is not None and self._text.passing and self.rewriter is self._text


class ChunkStream:
    """``ChunkTranslator`` for one stream, with what the request changed undone."""

    def __init__(
        self, accumulator: MessageAccumulator, *, structured: bool, with_usage: bool, changed: Changed
    ) -> None:
        self._changed = changed
        self._rewriters = _Rewriters(changed)
        self._rewritten = self._rewriters.rewriter
        self._translator = ChunkTranslator(
            accumulator if self._rewritten is None else self._rewritten.accumulator,
            structured=structured,
            with_usage=with_usage,
        )
        self._feed = self._translator.feed if self._rewritten is None else self._feed_rewritten
        self._original = accumulator
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
        chunk = self._merged(self._rewritten.push(event))
        if self._rewriters.passing:
            self._translator.follow(self._original)
            self._feed = self._translator.feed
            if self._begun:
                self.feed = self._feed
        return chunk

    def _merged(self, events: Iterable[StreamEvent]) -> ChatGenerationChunk | None:
        fed = [self._translator.feed(event) for event in events]
        return merge_chat_generation_chunks([chunk for chunk in fed if chunk is not None])

    def last(self, reply: Reply) -> ChatGenerationChunk:
        """See ``ChunkTranslator.last``; what was held back to the end is in it."""
        settled = self._changed.settled(reply)
        held = self._merged(self._rewriters.held(settled))
        chunk = self._translator.last(self._changed.with_text(settled))
        if held is not None:
            return (held if self._begun else first_chunk(held)) + chunk
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
        changed: Changed,
    ) -> None:
        self._with_usage = with_usage
        self._original = accumulator
        self._changed = changed
        self._rewriters = _Rewriters(changed)
        self._rewritten = self._rewriters.rewriter
        self._translator = EventTranslator(
            accumulator if self._rewritten is None else self._rewritten.accumulator,
            model=model,
            message_id=message_id,
        )
        self.start = self._translator.start
        self.feed = self._translator.feed if self._rewritten is None else self._feed_rewritten

    def _feed_rewritten(self, event: dict[str, Any]) -> list[Any]:
        assert self._rewritten is not None  # noqa: S101 - for the type checker; feed is only this one then
        translated = self._all(self._rewritten.push(event))
        if self._rewriters.passing:
            self._translator.follow(self._original)
            self.feed = self._translator.feed
        return translated

    def _all(self, events: Iterable[StreamEvent]) -> list[Any]:
        return [translated for event in events for translated in self._translator.feed(event)]

    def finish(self, reply: Reply) -> list[Any]:
        """See ``EventTranslator.finish``; what was held back to the end comes before."""
        settled = self._changed.settled(reply)
        held = self._all(self._rewriters.held(settled))
        finish = self._translator.finish(self._changed.with_text(settled), with_usage=self._with_usage)
        return [*held, *finish]
