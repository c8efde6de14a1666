"""One call of the model: the request that goes out, and the readers of what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse

from aivideoapi_core import MessageAccumulator, Reply
from aivideoapi_core.adapter_kit import CallFacts
from llamaindex_aivideoapi._inbound.message import to_response
from llamaindex_aivideoapi._inbound.streams import ResponseStream
from llamaindex_aivideoapi._inbound.tool_calls import keep_first_call
from llamaindex_aivideoapi._outbound.request import Request, build_request
from llamaindex_aivideoapi._tracing import span_of_call
from llamaindex_aivideoapi.credits import trackers


def make_call(messages: Sequence[ChatMessage], **asked: Any) -> Call:
    """The call with these messages; ``asked`` is what ``build_request`` takes besides."""
    return Call(build_request(messages, **asked), {"span": span_of_call(), "trackers": [*trackers()]})


@dataclass(slots=True)
class Call:
    """A request that is ready to be sent, and how to read what comes back. ``facts`` are for the books, never sent."""

    request: Request
    facts: CallFacts

    @property
    def sent(self) -> dict[str, Any]:
        """The arguments of the core's clients."""
        return self.request.sent(**self.facts)

    def response(self, reply: Reply, *, delta: str | None = None) -> ChatResponse:
        """The whole reply; the last response of a stream is the same with ``delta=""``.

        Raises ``ToolChoiceIgnoredError`` for the second reply of a run without the call that it must hold.
        """
        response = to_response(self.request.changed.read(reply), delta=delta)
        return keep_first_call(response) if self.request.one_call else response

    def last_response(self, reply: Reply, responses: ResponseStream) -> ChatResponse:
        """The response that ends a stream: the whole reply, and as ``delta`` what no response before it has said."""
        last = self.response(reply)
        last.delta = responses.rest_of(last)
        return last

    def responses(self, accumulator: MessageAccumulator) -> ResponseStream:
        """A translator of the stream's events to responses."""
        return ResponseStream(accumulator, one_call=self.request.one_call, changed=self.request.changed)
