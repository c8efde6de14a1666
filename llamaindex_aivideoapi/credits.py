"""The cost of LlamaIndex runs: an event handler for the whole program, a context manager for a block.

::

    with track_credits() as credits, instrument_tags({"team": "search"}):
        query_engine.query("...")
    print(credits.summary)  # a table; .to_dict() is JSON

Every call over the wire counts once, in whatever form it was made: whole, streamed, as ``complete``,
inside an agent or a query engine. A stream that was abandoned emits no event of LlamaIndex's; the
client below reports it all the same, as a call whose cost is unknown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # LlamaIndex's own way
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMCompletionEndEvent
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import BaseEventHandler

from aivideoapi_core import CallRecord, CreditsSummary, SpendTracker, parse_reported, read_usage, track_spend
from aivideoapi_core.adapter_kit import clean_tags, with_known_arguments
from llamaindex_aivideoapi._tags import FRAMEWORK, tag_names

_REMEMBERED: Final = 100_000
"""How many calls a handler keeps the ids of, to count none twice."""


class CreditsEventHandler(BaseEventHandler):
    """Adds up tokens and credits of all calls whose events reach the dispatcher it is attached to.

    ``get_dispatcher().add_event_handler(CreditsEventHandler())`` hears the whole program. ``summary``
    has the sums, by model and by instrument tag (``name=value``). Safe to use from many threads.
    """

    _tracker: SpendTracker = PrivateAttr(default_factory=lambda: _EachOnce(framework=FRAMEWORK))

    @with_known_arguments
    def __init__(self) -> None:
        super().__init__()

    @classmethod
    def class_name(cls) -> str:
        """Name of this handler."""
        return "CreditsEventHandler"

    @property
    def summary(self) -> CreditsSummary:
        """The sums so far."""
        return self._tracker.summary

    def reset(self) -> None:
        """Forget every call."""
        self._tracker.reset()

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """Count the reply of an end event, if no client in this process has counted it.

        Structured LLMs emit a second end event without the wire's reply: it is not a call.
        """
        if isinstance(event, (LLMChatEndEvent, LLMCompletionEndEvent)):
            raw = getattr(event.response, "raw", None)
            if isinstance(raw, Mapping) and _is_ours(raw):
                self._tracker.add(_record_of(raw, clean_tags(tag_names(event.tags))))


class _EachOnce(SpendTracker):
    """Counts no call twice, which a client and an end event may both tell. By our own id: a relay may give all messages one."""

    def __init__(self, *, framework: str) -> None:
        super().__init__(framework=framework)
        self._seen: OrderedDict[str, None] = OrderedDict()

    def add(self, record: CallRecord) -> None:
        if record.call_id is not None:
            if record.call_id in self._seen:
                return
            self._seen[record.call_id] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        super().add(record)


@with_known_arguments
@contextmanager
def track_credits() -> Iterator[CreditsEventHandler]:
    """Add up the calls of the block: its own, those of its tasks, and those of threads that LlamaIndex starts.

    What runs beside it in other tasks or threads is not counted. Blocks nest; each counts.
    """
    handler = CreditsEventHandler()
    with track_spend(handler._tracker):
        yield handler


def trackers() -> Iterator[SpendTracker]:
    """Those of the handlers that the end event of a call would come to. A handler that comes during one hears it."""
    dispatcher: Dispatcher | None = get_dispatcher(__name__)
    while dispatcher is not None:
        for handler in dispatcher.event_handlers:
            if isinstance(handler, CreditsEventHandler):
                yield handler._tracker
        dispatcher = dispatcher.parent if dispatcher.propagate and dispatcher.parent_name else None


def _is_ours(raw: Mapping[str, Any]) -> bool:
    usage = raw.get("usage")
    return bool(raw.get("id")) and isinstance(usage, Mapping) and "attempts" in raw


def _record_of(raw: Mapping[str, Any], tags: tuple[str, ...]) -> CallRecord:
    usage = raw["usage"]
    micro = usage.get("credits_consumed_micro")
    return CallRecord(
        model=str(raw.get("model") or "unknown"),
        framework=FRAMEWORK,
        tokens=read_usage(usage),
        credits_reported=parse_reported(usage.get("credits_consumed")),
        credits_micro=micro if type(micro) is int else None,
        request_id=raw.get("request_id"),
        message_id=raw["id"],
        call_id=getattr(raw, "call_id", None) or raw["id"],
        tags=tags,
    )
