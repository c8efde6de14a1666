"""The life of one call as money sees it: reserve before any I/O, settle or give up once after it.

The clients open one ``CallMeter`` per call, whatever its colour and form; requests that are made
again inside it are the same call. Budget, ledger and telemetry hang on it; what happened is decided
here, once, as a ``CallRecord``.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from aivideoapi_core._errors import AIVideoAPIError, BudgetExceededError
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.attribution import NOBODY, Attribution
from aivideoapi_core._metering.budgets import Budgets
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.metering import UNMETERED, Handover, Metering, budget_of
from aivideoapi_core._metering.one_write import Bill, kept_books
from aivideoapi_core._metering.outcome import answered, at_most_micro, booked_micro
from aivideoapi_core._metering.record import CallRecord, Outcome, label_of, may_be_billed
from aivideoapi_core._metering.summary import SpendTracker, current_trackers
from aivideoapi_core._metering.tags import clean_tags
from aivideoapi_core._metering.telemetry import CallTelemetry, may_be_traced, start_telemetry
from aivideoapi_core._metering.undisturbed import in_thread
from aivideoapi_core._metering.worst_case import WorstCase, lowering_of, worst_case
from aivideoapi_core._received import Message

logger = logging.getLogger("aivideoapi")


class CallMeter:
    """One call. Entered before any I/O, left once whatever happens; a context manager in both colours.

    Hand the reply over with ``answered``; leaving without one is a failure, and what is known of the
    error and of the ``partial`` message decides whether it may have been billed.

    The meter owns the reservation from before it is made, and finishes the call in steps of which none
    can stop another: settle, write down, count, tell, trace. A finish that is interrupted goes on where
    it was; one that would have to wait in an event loop goes on in a thread, which nobody can cancel.
    """

    pid = 0  # of nobody: a meter whose making was interrupted
    max_tokens_sent: int | None = None
    """The ``max_tokens`` that the budget had room for, if that is less than what was asked for."""
    owner: weakref.WeakMethod[Callable[[], Message | None]] | None = None
    """Of whoever reads the reply, and puts the call down when it is dropped: what has come of the message."""
    # What most calls leave as it is. An object of more than thirty attributes of its own has no shared keys.
    _open = False
    _record: CallRecord | None = None
    _reply: Reply | None = None
    _hold: Any = None
    _worst: WorstCase | None = None
    _bill: Bill | None = None
    _telemetry: CallTelemetry | None = None
    _lost_requests = _failed_requests = _next = 0
    _began_s = _began_at = 0.0
    _tags: tuple[str, ...] = ()
    _attribution = NOBODY

    def __init__(
        self,
        metering: Metering | None,
        payload: Mapping[str, Any],
        *,
        tags: Sequence[str] = (),
        budget: Budgets = None,
        attribution: Attribution = NOBODY,
        max_tokens_is_default: bool = False,
        span: Any = None,
        trackers: Sequence[SpendTracker] = (),
        base_url: str = "",
        max_requests: int = 1,
        handover: Handover | None = None,
    ) -> None:
        """``tags`` to ``trackers``: see ``CallFacts``. ``max_requests``: how many times this call may be billed at
        most (more than once only if the client makes requests again that may have been worked on).
        ``handover``: of its requests; without it a call that breaks off counts as sent.
        """
        self.pid = os.getpid()
        self._metering = metering = metering or UNMETERED
        self._budget = budget_of(metering.budget, budget)
        self._payload = payload
        self._model: str = payload["model"]
        self._base_url = base_url
        self._max_requests = max_requests
        self._max_tokens_is_default = max_tokens_is_default
        self._handover = handover
        self._span = span
        self._closing = threading.RLock()
        # Taken here: a stream may be read in another context, or end in none.
        self._trackers: tuple[SpendTracker, ...] = current_trackers()
        if trackers:
            self._trackers = tuple(dict.fromkeys((*self._trackers, *trackers)))
        self._books = kept_books()
        self._is_heard = bool(self._trackers) or metering.is_heard or self._budget is not None
        self._may_be_traced = span is not None or may_be_traced()
        if self._is_heard or self._may_be_traced:
            self._tags = clean_tags((*metering.current_tags(), *tags))
            self._attribution = metering.current_attribution(attribution)
        agent = self._attribution.agent
        if agent is not None and self._budget is not None and hasattr(self._budget, "for_agent"):
            self._budget = self._budget.for_agent(agent)

    def __enter__(self) -> Self:
        if DROPPED:
            DROPPED.do()
        self._open = True  # from here on everything is ours to give back
        try:
            if self._budget is not None:
                self._hold = self._budget.hold(self._model, self._reserved())
                self._lower()
            self._begin()
        except BaseException as error:
            if self._not_begun(error):
                self._go_on()
            raise
        return self

    async def __aenter__(self) -> Self:
        if DROPPED:
            await in_thread(DROPPED.do)
        self._open = True
        try:
            if self._budget is not None:
                self._hold = await self._budget.ahold(self._model, self._reserved())
                self._lower()
            self._begin()
        except BaseException as error:
            if self._not_begun(error) and not self._steps(waits=False):
                await in_thread(self._go_on)
            raise
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

    def answers(self) -> None:
        """The first event of the stream has come."""
        if self._telemetry is not None:
            self._telemetry.first_chunk()

    def retrying(self, error: AIVideoAPIError) -> None:
        """One request failed and another will be made."""
        self._failed_requests += 1
        if may_be_billed(error):
            self._lost_requests += 1

    def finish(self, error: BaseException | None, *, partial: Message | None = None) -> None:
        """Settle, write down, tell. Only the first call does anything."""
        if self._close(error, partial):
            self._go_on()

    async def afinish(self, error: BaseException | None, *, partial: Message | None = None) -> None:
        """The asynchronous twin of ``finish``; carried out to its end however often the caller is cancelled."""
        if self._close(error, partial) and not self._steps(waits=False):
            await in_thread(self._go_on)

    def __del__(self) -> None:
        # An asynchronous stream can be collected after its event loop has gone; nobody else can
        # give its reservation up then. Not here: see ``dropped``.
        if self._open and self.owner is None:
            left: Callable[[], object] = functools.partial(self.finish, None)
        elif self._record is not None and self._next < len(_STEPS):
            left = self._go_on
        else:
            return
        if self.is_ours:
            DROPPED.put(left)

    def end_with_process(self) -> None:
        """``finish`` for a call that is open when the process ends, with what its owner knows of the reply."""
        partial = None
        try:
            partial_of = None if self.owner is None else self.owner()
            if partial_of is not None:
                partial = partial_of()
        except Exception as error:  # noqa: BLE001 - a thread may be reading it just now
            logger.warning("what came of a message cannot be told (%s)", type(error).__name__)
        self.finish(None, partial=partial)

    def _begin(self) -> None:
        self._began_s, self._began_at = time.perf_counter(), time.time()
        if self._may_be_traced:
            self._trace()
        self._open = self._is_heard or self._telemetry is not None

    def _trace(self) -> None:
        try:
            self._telemetry = start_telemetry(
                self._model, self._payload, base_url=self._base_url, span=self._span
            )
        except Exception as error:  # noqa: BLE001 - a processor of spans is anybody's code, and the call matters more
            logger.error("telemetry of a call could not begin (%s)", type(error).__name__)

    def _not_begun(self, error: BaseException) -> bool:
        """Nothing was sent; whether something is to be said of it: a reservation given back, a refusal written down."""
        if self._hold is not None:
            return self._close(error, None)
        self._open = False
        if not isinstance(error, BudgetExceededError):
            return False
        if self._may_be_traced:
            self._trace()
        self._record = CallRecord(
            **self._facts(),
            outcome=Outcome.REFUSED,
            error=label_of(error),
            at_most_micro=error.needed_micro,
            budget=error.budget,
            attempts=0,
        )
        return True

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits for the outcome."""
        return self._open and self.is_ours

    @property
    def is_ours(self) -> bool:
        """Whether this process began it. In a forked child it is a copy, and the parent's to finish."""
        return self.pid == os.getpid()

    def _reserved(self) -> WorstCase:
        # For the record of a refusal; ``_begin`` sets both again, for waiting for the budget is none of the call.
        self._began_s, self._began_at = time.perf_counter(), time.time()
        worst = worst_case(self._payload, self._metering.prices_of(self._model))
        lowering = lowering_of(self._payload, is_default=self._max_tokens_is_default)
        self._worst = worst = worst if lowering is None else replace(worst, lowering=lowering)
        return worst if self._max_requests == 1 else worst.times(self._max_requests)

    def _lower(self) -> None:
        """Ask for fewer tokens, if the budget has room for no more."""
        lowered = getattr(self._hold, "max_tokens", None)
        if lowered is not None and self._worst is not None:
            self.max_tokens_sent = lowered
            self._payload = {**self._payload, "max_tokens": lowered}
            self._worst = self._worst.lowered_to(lowered)

    @property
    def payload(self) -> Mapping[str, Any]:
        """What is to be sent."""
        return self._payload

    def _close(self, error: BaseException | None, partial: Message | None) -> bool:
        """Decide how the call ended; whether it was still open."""
        if not self.is_open:
            return False
        # A stream in a cycle is put down twice, as a generator and as a call, and two threads may come to it at once.
        with self._closing:
            if not self._open:
                return False
            if self._record is None:
                try:
                    self._record = self._outcome(error, partial)
                except Exception as strange:  # noqa: BLE001 - a partial message of any shape; the reservation must not stay
                    logger.error("what a call cost cannot be told (%s)", type(strange).__name__)
                    self._record = CallRecord(
                        **self._facts(),
                        outcome=Outcome.LOST,
                        error=None if error is None else label_of(error),
                        at_most_micro=None if self._worst is None else self._worst.micro,
                    )
            self._open = False
            return True

    def _go_on(self) -> None:
        """The steps that are left, waiting where they have to. An interruption comes after the last of them."""
        try:
            self._steps(waits=True)
        except BaseException:  # Ctrl-C, a greenlet that is killed
            self._steps(waits=True)
            raise

    def _steps(self, *, waits: bool) -> bool:
        """Carry out what is left to do; ``False`` if the next step would have to wait and must not."""
        # Two threads can come to it: a pool of threads that cannot start another may have taken the work all the same.
        with self._closing:
            steps, record = _STEPS, self._record
            while record is not None and self._next < len(steps):
                number = self._next
                step, can_be_repeated = steps[number]
                if not can_be_repeated:
                    self._next = number + 1
                try:
                    if not step(self, record, waits):
                        return False
                except Exception as error:  # noqa: BLE001 - whatever it is: the answer is paid for, and the next step counts
                    logger.error("%s a call failed (%s)", step.__name__.strip("_"), type(error).__name__)
                self._next = number + 1
        return True

    def _booking(self, record: CallRecord, waits: bool) -> bool:
        """Settle and write down in one write, or leave it to the books of a block; else the next two steps do it."""
        if self._bill is None:
            if self._hold is None and self._books is None and self._metering.ledger is None:
                return True  # only trackers and the like wait for it
            self._bill = self._billed(record)
        if self._books is not None and not self._books.take(self._bill):
            self._books = None
        return self._books is not None or self._bill.book_together(waits=waits)

    def _billed(self, record: CallRecord) -> Bill:
        budget, worst, micro, unknown = self._budget, self._worst, None, False
        if budget is not None and self._hold is not None:
            if record.tokens is not None and worst is not None and hasattr(budget, "observe"):
                budget.observe(self._model, worst, record.tokens.total_input)
            micro, unknown = booked_micro(
                record, worst, lost_requests=self._lost_requests, max_requests=self._max_requests
            )
        return Bill(budget, self._hold, micro, unknown, self._metering.ledger, record)

    def _settling(self, record: CallRecord, waits: bool) -> bool:
        return self._bill is None or self._books is not None or self._bill.settle(waits=waits)

    def _writing_down(self, record: CallRecord, waits: bool) -> bool:
        return self._bill is None or self._books is not None or self._bill.write_down(waits=waits)

    def _counting(self, record: CallRecord, waits: bool) -> bool:
        for tracker in self._trackers:
            try:
                tracker.add(record)
            except Exception as error:  # noqa: BLE001 - a subclass's, and the next tracker wants its record
                logger.error("a tracker failed (%s)", type(error).__name__)
        return True

    def _telling(self, record: CallRecord, waits: bool) -> bool:
        if self._metering.on_call is not None:
            self._metering.on_call(record)
        return True

    def _tracing(self, record: CallRecord, waits: bool) -> bool:
        if self._telemetry is not None:
            self._telemetry.end(record)
        return True

    def _outcome(self, error: BaseException | None, partial: Message | None) -> CallRecord:
        facts = {**self._facts(), "latency_s": time.perf_counter() - self._began_s}
        if self._reply is not None:
            record = answered(facts, self._reply)
            if not record.is_unknown:
                return record
            return replace(
                record, at_most_micro=at_most_micro(None, self._worst, self._payload, self._metering)
            )
        if partial is None and isinstance(error, AIVideoAPIError):
            partial = error.partial
        lost = self._lost_requests > 0 or self._is_lost(error)
        return CallRecord(
            **facts,
            attempts=self._failed_requests + 1,
            outcome=Outcome.LOST if lost else Outcome.FAILED,
            error="abandoned" if error is None or isinstance(error, GeneratorExit) else label_of(error),
            request_id=getattr(error, "request_id", None),
            message_id=partial["id"] if partial is not None and partial.get("id") else None,
            at_most_micro=at_most_micro(partial, self._worst, self._payload, self._metering)
            if lost
            else None,
        )

    def _facts(self) -> dict[str, Any]:
        """What was known of the call when it began."""
        return {
            "model": self._model,
            "started_at": self._began_at,
            "framework": self._metering.framework,
            "stream": bool(self._payload["stream"]),
            "tags": self._tags,
            **self._attribution.to_dict(),
        }

    def _is_lost(self, error: BaseException | None) -> bool:
        """Whether the last request may be billed. The errors of ours know; of anything else, only what was sent can."""
        if isinstance(error, AIVideoAPIError):
            return may_be_billed(error)
        return self._handover is None or self._handover.began


_STEPS: Final[tuple[tuple[Callable[[CallMeter, CallRecord, bool], bool], bool], ...]] = (
    (CallMeter._booking, True),
    (CallMeter._settling, True),
    (CallMeter._writing_down, True),
    (CallMeter._counting, False),
    (CallMeter._telling, False),
    (CallMeter._tracing, False),
)
"""What is done at the end of a call, in this order; whether it may be done again after an interruption in it."""


def end_open_calls() -> None:
    """Finish the calls that are open when the process ends: a stream that a module still holds, a daemon's thread.

    Found by a look at all objects, so that no call pays for it.
    """
    for thing in gc.get_objects():
        if type(thing) is CallMeter and thing.is_open:
            thing.end_with_process()
