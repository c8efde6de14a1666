"""The translator of one stream, with what the request changed undone (the core's ``Changed``)."""

from __future__ import annotations

from llama_index.core.base.llms.types import ChatResponse

from aivideoapi_core import MessageAccumulator, StreamEvent
from aivideoapi_core.adapter_kit import Changed, text_of
from llamaindex_aivideoapi._inbound.responses import ResponseTranslator


class ResponseStream:
    """``ResponseTranslator`` for one stream, with what the request changed undone."""

    def __init__(self, accumulator: MessageAccumulator, *, one_call: bool, changed: Changed) -> None:
        self._rewritten = changed.stream(accumulator)
        self._translator = ResponseTranslator(self._rewritten.accumulator, one_call=one_call)
        self._said: list[str] = []
        self.feed = self._translator.feed if self._rewritten.is_plain else self._feed_rewritten

    def _feed_rewritten(self, event: StreamEvent) -> ChatResponse | None:
        response = None
        for rewritten in self._rewritten.push(event):
            response = self._translator.feed(rewritten) or response
        if response is not None and response.delta:
            self._said.append(response.delta)
        return response

    def rest_of(self, last: ChatResponse) -> str:
        """The text of ``last``, the whole reply, that was held back until it was known what it is; none if another
        text has gone out.
        """
        if self._rewritten.is_plain:
            return ""
        text, said = text_of(last.raw["content"]), "".join(self._said)  # type: ignore[index]  # ours is a dict
        return text[len(said) :] if text.startswith(said) else ""
