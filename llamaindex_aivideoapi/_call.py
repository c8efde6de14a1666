"""One call of the model: the request that goes out, and the readers of what comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llama_index.core.base.llms.types import ChatResponse

from aivideoapi_core import Reply
from aivideoapi_core.adapter_kit import with_own_names
from llamaindex_aivideoapi._inbound.first_call import keep_first_call
from llamaindex_aivideoapi._inbound.message import to_chat_response
from llamaindex_aivideoapi._inbound.renamed import RenamedStream
from llamaindex_aivideoapi._inbound.streaming import ResponseStream
from llamaindex_aivideoapi._outbound.request import Request


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is ready to be sent, and how to read what comes back."""

    request: Request

    def response(self, reply: Reply, *, delta: str | None = None) -> ChatResponse:
        """The whole reply; the last response of a stream is the same with ``delta=""``.

        A forced call that came as text is a call. Raises ``ToolChoiceIgnoredError`` for the second reply of a
        run without the call that it must hold.
        """
        forced, names = self.request.forced, self.request.names
        if forced is not None:
            reply = replace(reply, message=forced.settle(reply.message, model=reply.model))
        if names is not None:
            reply = replace(reply, message=with_own_names(reply.message, names))
        response = to_chat_response(reply, delta=delta)
        return keep_first_call(response) if self.request.one_call else response

    def responses(self) -> ResponseStream | RenamedStream:
        """A translator of the stream's events to responses."""
        responses = ResponseStream(one_call=self.request.one_call)
        return responses if self.request.names is None else RenamedStream(responses, self.request.names)
