"""One call of the model: the request that goes out, and the readers of what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from aivideoapi_core import MessageAccumulator, Reply
from aivideoapi_core.adapter_kit import CallFacts, may_hold_more_than_text, tag_list
from langchain_aivideoapi._inbound.message import to_result
from langchain_aivideoapi._inbound.streams import ChunkStream, EventStream
from langchain_aivideoapi._outbound.request import Request, build_request
from langchain_aivideoapi._tags import run_attribution, run_tags
from langchain_aivideoapi._tracing import run_of_caller, show_cost_in_langsmith, span_of, trackers_of


def make_call(
    messages: Sequence[BaseMessage],
    *,
    run: BaseRunManager | None,
    tags: Sequence[str],
    arguments: dict[str, Any],
    **asked: Any,
) -> Call:
    """The call with these messages in ``run``. ``tags``: the model's; ``asked`` is what ``build_request`` takes besides."""
    run = run or run_of_caller()
    show_cost_in_langsmith(run)
    facts: CallFacts = {
        "tags": run_tags(run, [*tags, *tag_list(arguments.pop("spend_tags", ()))]),
        "attribution": run_attribution(run, arguments.pop("spend_for", None)),
        "span": span_of(run),
        "trackers": trackers_of(run),
    }
    return Call(build_request(messages, arguments=arguments, **asked), facts)


@dataclass(slots=True)
class Call:
    """A request that is ready to be sent, and how to read what comes back. ``facts`` are for the books, never sent."""

    request: Request
    facts: CallFacts

    @property
    def sent(self) -> dict[str, Any]:
        """The arguments of the core's clients."""
        return self.request.sent(**self.facts)

    def result(self, reply: Reply) -> ChatResult:
        """The whole reply as a result of one message."""
        return to_result(self.request.changed.read(reply))

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
