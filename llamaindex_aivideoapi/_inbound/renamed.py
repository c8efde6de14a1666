"""Streams whose tools went out under other names than the caller's."""

from __future__ import annotations

from llama_index.core.base.llms.types import ChatResponse

from aivideoapi_core import MessageAccumulator, StreamEvent
from aivideoapi_core.adapter_kit import OwnNamesStream, ToolNames
from llamaindex_aivideoapi._inbound.streaming import ResponseStream


class RenamedStream:
    """``ResponseStream`` with the caller's own names in what it shows."""

    def __init__(self, responses: ResponseStream, names: ToolNames) -> None:
        self._responses = responses
        self._rewritten = OwnNamesStream(names)

    def feed(self, event: StreamEvent, accumulator: MessageAccumulator) -> ChatResponse | None:
        """See ``ResponseStream.feed``."""
        response = None
        for rewritten in self._rewritten.push(event):
            response = self._responses.feed(rewritten, self._rewritten.accumulator) or response
        return response
