"""The life of one call as money sees it: reserve before any I/O, settle or give up once after it.

The clients open one ``CallMeter`` per call, whatever its colour and form; requests that are made
again inside it are the same call. Budget, ledger and telemetry hang on it; what happened is decided
here, once, as a ``CallRecord``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias

from aivideoapi_core._catalogue.prices import ModelPrices, cost_of, prices_of
from aivideoapi_core._catalogue.tokens import read_usage
from aivideoapi_core._errors import AIVideoAPIError
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.record import CallRecord, Outcome, current_spend_tags, label_of, may_be_billed
from aivideoapi_core._metering.summary import SpendTracker, current_trackers
from aivideoapi_core._metering.telemetry import CallTelemetry, start_telemetry
from aivideoapi_core._metering.worst_case import WorstCase, worst_case
from aivideoapi_core._received import Message

logger = logging.getLogger("aivideoapi")

Tags: TypeAlias = Sequence[str] | Callable[[], Sequence[str]]


class Budget(Protocol):
    """What the meter needs of a budget. ``CreditBudget`` is one."""

    def hold(self, model: str, worst: WorstCase) -> Any:
        """Reserve the worst case; raises ``BudgetExceededError``."""

    async def ahold(self, model: str, worst: WorstCase) -> Any:
        """The asynchronous twin."""

    def settle(self, reservation: Any, micro: int, *, unknown: bool = False) -> None:
        """Book ``micro`` in place of the reservation. Must not raise for a broken store."""

    async def asettle(self, reservation: Any, micro: int, *, unknown: bool = False) -> None:
        """The asynchronous twin."""


class Ledger(Protocol):
    """What the meter needs of a ledger. ``SpendLedger`` is one."""

    def append(self, record: CallRecord) -> None:
        """Write one row. Must not raise for a broken store."""

    async def aappend(self, record: CallRecord) -> None:
        """The asynchronous twin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """What hangs on every call of one client.

    ``prices`` replace the published ones by model id. ``tags`` are put on every record, or asked
    for at the start of each call. ``on_call`` gets the record of each call once it is over.
    """

    budget: Budget | None = None
    ledger: Ledger | None = None
    prices: Mapping[str, ModelPrices] = field(default_factory=dict)
    tags: Tags = ()
    framework: str | None = None
    on_call: Callable[[CallRecord], None] | None = None

    @property
    def is_heard(self) -> bool:
        """Whether anything waits for records."""
        return self.budget is not None or self.ledger is not None or self.on_call is not None

    def prices_of(self, model: str) -> ModelPrices | None:
        """The caller's prices for ``model``, else the published ones."""
        return self.prices.get(model) or prices_of(model)

    def current_tags(self) -> tuple[str, ...]:
        """The client's tags and those of the enclosing ``spend_tags``."""
        own = self.tags() if callable(self.tags) else self.tags
        return tuple(dict.fromkeys((*own, *current_spend_tags())))


_UNMETERED: Final = Metering()


class CallMeter:
    """One call. Entered before any I/O, left once whatever happens; a context manager in both colours.

    Hand the reply over with ``answered``; leaving without one is a failure, and what is known of the
    error and of the ``partial`` message decides whether it may have been billed.
    """

    def __init__(
        self,
        metering: Metering | None,
        payload: Mapping[str, Any],
        *,
        tags: Sequence[str] = (),
        base_url: str = "",
        max_requests: int = 1,
    ) -> None:
        """``max_requests``: how many times this call may be billed at most (more than once only if
        the client makes requests again that may have been worked on).
        """
        self._metering = metering = metering or _UNMETERED
        self._payload = payload
        self._model: str = payload["model"]
        self._base_url = base_url
        self._max_requests = max_requests
        self._reply: Reply | None = None
        self._hold: Any = None
        self._open = False
        self._lost_requests = 0
        self._failed_requests = 0
        self._telemetry: CallTelemetry | None = None
        self._worst: WorstCase | None = None
        # Taken here: a stream may be read in another context, or end in none.
        self._trackers: tuple[SpendTracker, ...] = current_trackers()
        self._is_heard = bool(self._trackers) or metering.is_heard
        self._tags = tuple(dict.fromkeys((*metering.current_tags(), *tags))) if self._is_heard else ()
        self._began_s = self._began_at = 0.0

    def __enter__(self) -> Self:
        if self._metering.budget is not None:
            self._hold = self._metering.budget.hold(self._model, self._reserved())
        self._begin()
        return self

    async def __aenter__(self) -> Self:
        if self._metering.budget is not None:
            self._hold = await self._metering.budget.ahold(self._model, self._reserved())
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.afinish(error)

    def answered(self, reply: Reply) -> Reply:
        """The call succeeded; ``reply`` is handed back."""
        self._reply = reply
        return reply

    def retrying(self, error: AIVideoAPIError) -> None:
        """One request failed and another will be made."""
        self._failed_requests += 1
        if may_be_billed(error):
            self._lost_requests += 1

    def finish(self, error: BaseException | None, *, partial: Message | None = None) -> None:
        """Settle, write down, tell. Only the first call does anything."""
        record = self._close(error, partial)
        if record is None:
            return
        metering = self._metering
        if metering.budget is not None:
            micro, unknown = self._booked(record)
            metering.budget.settle(self._hold, micro, unknown=unknown)
        if metering.ledger is not None:
            metering.ledger.append(record)
        if metering.on_call is not None:
            metering.on_call(record)

    async def afinish(self, error: BaseException | None, *, partial: Message | None = None) -> None:
        """The asynchronous twin of ``finish``."""
        record = self._close(error, partial)
        if record is None:
            return
        metering = self._metering
        if metering.budget is not None:
            micro, unknown = self._booked(record)
            await metering.budget.asettle(self._hold, micro, unknown=unknown)
        if metering.ledger is not None:
            await metering.ledger.aappend(record)
        if metering.on_call is not None:
            metering.on_call(record)

    def __del__(self) -> None:
        # An asynchronous stream can be collected after its event loop has gone; nobody else can
        # give its reservation up then.
        if self._open:
            self.finish(None)

    def _begin(self) -> None:
        self._began_s, self._began_at = time.perf_counter(), time.time()
        self._telemetry = start_telemetry(self._model, self._payload, base_url=self._base_url)
        self._open = self._is_heard or self._telemetry is not None

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits for the outcome."""
        return self._open

    def _reserved(self) -> WorstCase:
        worst = worst_case(self._payload, self._metering.prices_of(self._model))
        self._worst = worst
        if worst.micro is None or self._max_requests == 1:
            return worst
        return replace(worst, micro=worst.micro * self._max_requests)

    def _close(self, error: BaseException | None, partial: Message | None) -> CallRecord | None:
        if not self._open:
            return None
        self._open = False
        record = self._record(error, partial)
        if self._telemetry is not None:
            self._telemetry.end(record)
        for tracker in self._trackers:
            tracker.add(record)
        return record

    def _record(self, error: BaseException | None, partial: Message | None) -> CallRecord:
        facts: dict[str, Any] = {
            "model": self._model,
            "started_at": self._began_at,
            "framework": self._metering.framework,
            "stream": bool(self._payload["stream"]),
            "latency_s": time.perf_counter() - self._began_s,
            "tags": self._tags,
        }
        if self._reply is not None:
            return _answered(facts, self._reply)
        if partial is None and isinstance(error, AIVideoAPIError):
            partial = error.partial
        lost = error is None or may_be_billed(error) or self._lost_requests > 0
        return CallRecord(
            **facts,
            attempts=self._failed_requests + 1,
            outcome=Outcome.LOST if lost else Outcome.FAILED,
            error="abandoned" if error is None or isinstance(error, GeneratorExit) else label_of(error),
            request_id=getattr(error, "request_id", None),
            message_id=partial["id"] if partial is not None and partial.get("id") else None,
            at_most_micro=self._at_most(partial) if lost else None,
        )

    def _at_most(self, partial: Message | None) -> int | None:
        """The most a lost call can have cost: with the real input tokens, if the stream stated them."""
        prices = self._metering.prices_of(self._model)
        if prices is None:
            return None
        worst = self._worst or worst_case(self._payload, prices)
        if partial is None or worst.output is None:
            return worst.micro
        known = read_usage({"output_tokens": 0, **partial["usage"]})
        if known is None:
            return worst.micro
        # The counts are final once the stream has said why it stopped.
        output = known.output if partial.get("stop_reason") else worst.output
        micro = cost_of(replace(known, output=output), prices)
        return worst.micro if micro is None else micro.micro

    def _booked(self, record: CallRecord) -> tuple[int, bool]:
        """Microcredits to book on the budget, and whether they are a bound in place of a figure.

        Of the two figures the larger: the reported one is cut to a hundredth of a credit, the
        computed one would miss a rise of prices.
        """
        worst = (self._worst.micro if self._worst is not None else None) or 0
        lost = worst * min(self._lost_requests, self._max_requests)
        match record.outcome:
            case Outcome.FAILED:
                return 0, False
            case Outcome.OK if not record.is_unknown:
                computed = record.credits_micro or 0
                reported = record.credits_reported
                return max(computed, 0 if reported is None else int(reported.scaleb(6))) + lost, lost > 0
            case Outcome.OK:
                return worst + lost, True
            case _:
                at_most = record.at_most_micro
                return (worst if at_most is None else at_most) + max(0, lost - worst), True


def _answered(facts: Mapping[str, Any], reply: Reply) -> CallRecord:
    """The record of an answered call: ``facts`` and what the reply says."""
    computed, message = reply.credits_computed, reply.message
    return CallRecord(
        **facts,
        tokens=reply.tokens,
        credits_reported=reply.credits_reported,
        credits_micro=None if computed is None else computed.micro,
        request_id=reply.request_id,
        message_id=message["id"] or None,
        response_model=message["model"] or None,
        stop_reason=message["stop_reason"],
        attempts=reply.attempts,
    )
