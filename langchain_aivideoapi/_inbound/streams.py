"""The translators of one stream, with what the request changed undone (the core's ``Changed``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.outputs import ChatGenerationChunk
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from aivideoapi_core import MessageAccumulator, Reply, StreamEvent
from aivideoapi_core.adapter_kit import Changed
from langchain_aivideoapi._inbound.chunks import ChunkTranslator
from langchain_aivideoapi._inbound.events import EventTranslator
from langchain_aivideoapi._inbound.total import SETTLED, first_chunk


class ChunkStream:
    """``ChunkTranslator`` for one stream, with what the request changed undone."""

    def __init__(
        self, accumulator: MessageAccumulator, *, structured: bool, with_usage: bool, changed: Changed
    ) -> None:
        self._changed = changed
        self._rewritten = changed.stream(accumulator)
        self._translator = ChunkTranslator(
            self._rewritten.accumulator, structured=structured, with_usage=with_usage
        )
        self._feed = self._translator.feed if self._rewritten.is_plain else self._feed_rewritten
        self._begun = False
        self.feed = self._feed_first

    def _feed_first(self, event: dict[str, Any]) -> ChatGenerationChunk | None:
        chunk = self._feed(event)
        if chunk is None or self._begun:
            return chunk
        self._begun, self.feed = True, self._feed
        return first_chunk(chunk)

    def _feed_rewritten(self, event: dict[str, Any]) -> ChatGenerationChunk | None:
        return self._merged(self._rewritten.push(event))

    def _merged(self, events: Iterable[StreamEvent]) -> ChatGenerationChunk | None:
        fed = [self._translator.feed(event) for event in events]
        return merge_chat_generation_chunks([chunk for chunk in fed if chunk is not None])

    def last(self, reply: Reply) -> ChatGenerationChunk:
        """See ``ChunkTranslator.last``; what was held back to the end is in it."""
        settled = self._changed.settled(reply)
        held = self._merged(self._rewritten.held(settled))
        whole = self._changed.with_text(settled)
        chunk = self._translator.last(whole)
        if self._rewritten.said_another_text(whole):
            chunk.message.content = [
                {**block, "index": f"{SETTLED}{place}"}
                for place, block in enumerate(whole.message["content"])
            ]
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
        self._changed = changed
        self._rewritten = changed.stream(accumulator)
        self._translator = EventTranslator(self._rewritten.accumulator, model=model, message_id=message_id)
        self.start = self._translator.start
        self.feed = self._translator.feed if self._rewritten.is_plain else self._feed_rewritten

    def _feed_rewritten(self, event: dict[str, Any]) -> list[Any]:
        return self._all(self._rewritten.push(event))

    def _all(self, events: Iterable[StreamEvent]) -> list[Any]:
        return [translated for event in events for translated in self._translator.feed(event)]

    def finish(self, reply: Reply) -> list[Any]:
        """See ``EventTranslator.finish``; what was held back to the end comes before."""
        settled = self._changed.settled(reply)
        held = self._all(self._rewritten.held(settled))
        whole = self._changed.with_text(settled)
        if self._rewritten.said_another_text(whole):
            held += self._translator.settled_text(whole)
        return [*held, *self._translator.finish(whole, with_usage=self._with_usage)]
