"""One run of a job: workers that take rows, call, write down; and who waits for whom."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_jsonable_python

from aivideoapi_batch._decide import Decision, Next, decide, label, room_in_s
from aivideoapi_batch._interrupts import Worker, current_worker, ends_the_run
from aivideoapi_batch._journal_store import Totals
from aivideoapi_batch._meeting import Meeting
from aivideoapi_batch._report import RunCounts
from aivideoapi_batch._results import RowResult, Status, costs_of
from aivideoapi_batch._rows import check_rows
from aivideoapi_core import BudgetStoreError, CallRecord, SpendTracker
from aivideoapi_core.adapter_kit import keep_books, tagged, tracked_by

if TYPE_CHECKING:
    from aivideoapi_batch._calls import Row
    from aivideoapi_batch._job_settings import JobSettings
    from aivideoapi_core.adapter_kit import Books, Entry

_NO_BOOKS: Final = nullcontext()
_ANSWERED: Final = Decision(Status.OK)
_STOP_AFTER: Final = 20
"""So many results in a row of the kind that every row will have (a wrong key, an empty account) end the run."""


class Run:
    """Rows in, results out. ``stop`` ends it early: what is in flight is finished, the rest is left."""

    def __init__(self, job: JobSettings, rows: Iterable[Any] | AsyncIterable[Any], *, replay: bool) -> None:
        check_rows(rows)
        self._job = job
        self._rows = rows
        self._replay = replay
        self.counts = RunCounts()
        # Asked once: a call looks through all its models for them.
        self._has_books = job.call.budget is not None or job.call.ledger is not None
        self._calls_once: bool = getattr(job.call, "calls_once", False)
        self._meeting: Meeting | None = None
        self._out: asyncio.Queue[RowResult | None] = asyncio.Queue(maxsize=2 * job.concurrency)
        self._failure: BaseException | None = None
        self._stopped = self._closing = False
        self._ended = self._calling = 0
        self._in_a_row = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle: set[asyncio.Task[None]] = set()
        """Workers that wait for something other than an answer, which a stop cuts short."""

    def stop(self, reason: str) -> None:
        """Take no new rows, wait for nothing but the calls in flight. From the thread of the event loop."""
        if not self._stopped:
            self._stopped = True
            self.counts.stopped = reason
            if self._meeting is not None:
                self._meeting.is_stopped = True
        here = _current_task()
        for worker in self._idle:
            if worker is not here:
                worker.cancel()

    async def results(self) -> AsyncGenerator[RowResult, None]:
        """See ``BatchJob.arun``."""
        job = self._job
        await self._agree()
        number = await job.journal.open(job.manifest)
        meeting = self._meeting = Meeting(
            job, self._rows, run=number, counts=self.counts, tell=self._out.put, replay=self._replay
        )
        meeting.is_stopped = self._stopped
        job.pace.begin(job.concurrency)
        loop, out = asyncio.get_running_loop(), self._out
        workers = [Worker(self._work(meeting), loop=loop) for _ in range(job.concurrency)]
        try:
            while self._ended < len(workers) or not out.empty():
                result = await out.get() if out.empty() else out.get_nowait()
                if result is not None:
                    yield result
            if self._failure is not None:
                raise self._failure
        finally:
            # Left early: what is in flight has no result, and the journal says that it was in flight.
            self._closing = True
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self.counts.left += len(meeting.ready)
            await job.pace.end()
            await job.journal.rest()

    async def _agree(self) -> None:
        """Raise ``InvalidInputError`` if the store keeps the budget with other terms: every row would end with that."""
        budget = self._job.call.budget
        if budget is not None:
            with suppress(BudgetStoreError):  # away just now, which is for the rows to meet
                await budget.astanding()

    async def _work(self, meeting: Meeting) -> None:
        worker, out = current_worker(), self._out
        try:
            with tagged(self._job.tags):  # for all of its rows: nobody else works in a worker's context
                while (found := await meeting.next()) is not None:
                    result = await self._row(worker, *found)
                    if result is None:
                        continue
                    if out.full():
                        await out.put(result)
                    else:
                        out.put_nowait(result)
        except asyncio.CancelledError:
            if self._closing:
                raise
            self.stop(
                "cancelled"
            )  # by whoever cancels tasks that are not his own, if it was not stopped before
            self.counts.left += 1
        except Exception as error:  # noqa: BLE001 - the rows' source or the journal: raised once all have ended
            self._failure = self._failure or error
            self.stop(type(error).__name__)
        self._ended += 1
        with suppress(asyncio.QueueFull):  # then nobody waits for one more
            self._out.put_nowait(None)

    async def _row(self, worker: Worker, row: Row, id: str, paid_before: bool) -> RowResult | None:
        """Call until the row has its result, and write it down; ``None`` if it is left for another run."""
        job, began_s = self._job, self._job.pace.clock.now()
        records, failed = _Records(), 0
        while True:
            self._idle.add(worker)
            try:
                entered = await job.pace.enter()
            finally:
                self._idle.discard(worker)
            if self._stopped:
                await job.pace.leave(entered)
                self.counts.left += 1
                return None
            if not await job.journal.began(id):
                await job.pace.leave(entered)
                self.counts.elsewhere += 1
                return None
            with self._books(id) as books:
                self._calling += 1
                try:
                    answer, error = await self._called(worker, row, records, entered)
                    decision = self._decided(row, error, records, failed)
                    if decision.next is Next.END:
                        result = RowResult(
                            id=id,
                            status=decision.status,
                            answer=answer,
                            error=None if error is None else label(error),
                            paid_before=paid_before,
                            latency_s=round(job.pace.clock.now() - began_s, 6),
                            **costs_of(records.all),
                        )
                        result = await (
                            job.journal.ended(result) if books is None else self._written(result, books)
                        )
                    elif books is not None:
                        await books.awrite()  # before waiting: others may need the room
                finally:
                    self._calling -= 1
            if decision.next is not Next.ROOM and self._waiting:
                # What this call did not use of its reservation is another's room.
                _go(self._waiting.popleft())
            if decision.next is Next.END:
                break
            await job.journal.back(id)
            failed += decision.next is Next.AGAIN
            self._idle.add(worker)
            try:
                await self._pause(decision, error)
            finally:
                self._idle.discard(worker)
        self.counts.called += 1
        self._in_a_row = self._in_a_row + 1 if decision.every_rows else 0
        if self._in_a_row >= _STOP_AFTER:
            self.stop(f"{self._in_a_row} rows in a row: {result.error}")
        return result

    def _books(self, id: str) -> AbstractContextManager[Books | None]:
        """For one call, whose figure and row are written with the result. Of several, each is booked as it ends, with a
        note in the journal.
        """
        if self._calls_once:
            return keep_books() if self._has_books else _NO_BOOKS

        def noted(record: CallRecord) -> Entry | None:
            paid = Totals()
            paid.add(RowResult(id=id, status=Status.LOST, **costs_of([record])))
            return self._job.journal.note(id, paid) if any(paid.numbers()) else None

        return keep_books(noted)

    async def _written(self, result: RowResult, books: Books) -> RowResult:
        """What the journal holds for the row once ``result`` is safe: in the write of the books, where it can be."""
        journal, ends = self._job.journal, list[RowResult]()
        await books.awrite(journal.entry(result, ends.append))
        return ends[0] if ends else await journal.ended(result)

    async def _called(
        self, worker: Worker, row: Row, records: _Records, entered: int
    ) -> tuple[Any, BaseException | None]:
        """One call: its answer, or the error that it ended with."""
        job = self._job
        left_with: BaseException | None = None
        try:
            with tracked_by(records):
                return to_jsonable_python(await job.call.answer(row)), None
        except BaseException as error:
            left_with = error
            if ends_the_run(error):
                raise
            return None, error  # one row's fault, of whatever class, is that row's result
        finally:
            try:
                if worker.is_upset:
                    await worker.calm_down()
            finally:
                await job.pace.leave(entered, left_with)

    def _decided(self, row: Row, error: BaseException | None, records: _Records, failed: int) -> Decision:
        if error is None:
            return _ANSWERED
        job = self._job
        decision = decide(error, records.all, failed=failed, policy=job.policy, jitter=job.pace.chance())
        if decision.next is Next.ROOM and (job.on_budget == "mark" or self._never_fits(row)):
            return Decision(decision.status)
        return decision

    def _never_fits(self, row: Row) -> bool:
        """Whether the whole limit is too small for ``row``, or nothing bounds what it costs."""
        budget, estimate = self._job.call.budget, self._job.call.estimate(row)
        if budget is None or estimate is None:
            return False
        return estimate.high is None or estimate.high.micro > budget.limit_micro

    async def _pause(self, decision: Decision, error: BaseException | None) -> None:
        """Wait for what ``decision`` says; the pace itself makes a row wait that was too fast."""
        match decision.next:
            case Next.AGAIN:
                await self._job.pace.clock.sleep(decision.wait_s)
            case Next.ROOM:
                await self._room(error)

    async def _room(self, error: BaseException | None) -> None:
        """Wait until the budget may have room; without hope, stop the run."""
        if self._calling:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
            return
        wait_s = room_in_s(error, now=time.time())
        if wait_s is None:
            self.counts.needed_micro = getattr(error, "needed_micro", None)
            self.stop("the budget has no room for another call")
        else:
            await self._job.pace.clock.sleep(wait_s)


class _Records(SpendTracker):
    """The calls of one row."""

    def __init__(self) -> None:
        """Without the sums of a tracker: there is one for each row."""
        self.all: list[CallRecord] = []

    def add(self, record: CallRecord) -> None:
        self.all.append(record)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a signal's handler, between two steps of the loop
        return None


def _go(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
