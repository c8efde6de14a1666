"""One call of the model: the request that goes out, and the readers of what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from aivideoapi_core import Attribution, MessageAccumulator, Reply
from aivideoapi_core.adapter_kit import may_hold_more_than_text
from langchain_aivideoapi._inbound.message import to_message
from langchain_aivideoapi._inbound.streams import ChunkStream, EventStream
from langchain_aivideoapi._outbound.request import Request


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is ready to be sent, and how to read what comes back."""

    request: Request
    tags: tuple[str, ...]
    attribution: Attribution
    """As the tags: for the ledger and the trackers, never sent."""
    span: Any
    """OpenTelemetry's, that an instrumentation has begun for this call."""

    @property
    def sent(self) -> dict[str, Any]:
        """The arguments of the core's clients."""
        return self.request.sent(tags=self.tags, attribution=self.attribution, span=self.span)

    def message(self, reply: Reply) -> AIMessage:
        """The whole reply as a message."""
        return to_message(self.request.changed.read(reply))

    def chunks(self, accumulator: MessageAccumulator) -> ChunkStream:
        """A translator of the stream's events to chunks."""
        request = self.request
        return ChunkStream(
            accumulator,
            structured=may_hold_more_than_text(request.payload, request.changed.output_tool),
            with_usage=request.with_usage,
            changed=request.changed,
        )

    def events(self, accumulator: MessageAccumulator, *, message_id: str) -> EventStream:
        """A translator of the stream's events to LangChain's."""
        request = self.request
        return EventStream(
            accumulator,
            model=request.payload["model"],
            message_id=message_id,
            with_usage=request.with_usage,
            changed=request.changed,
        )
