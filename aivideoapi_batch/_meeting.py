"""The rows of a run, as they are asked for: each is met with the journal first, many of them at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aivideoapi_batch._journal_store import Seen
from aivideoapi_batch._results import RowResult, Status
from aivideoapi_batch._rows import TWICE, id_of

if TYPE_CHECKING:
    from aivideoapi_batch._calls import Row
    from aivideoapi_batch._job_settings import JobSettings
    from aivideoapi_batch._report import RunCounts

_FARTHEST: Final = 512
"""Rows that are met together, at most."""
_AHEAD: Final = 4
"""Of the calls at once, one in so many has its next row met before it is asked for."""


class Meeting:
    """Rows that are to be called, by ``next``; of the others the results go to ``tell``, and all are counted."""

    def __init__(
        self,
        job: JobSettings,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        run: int,
        counts: RunCounts,
        tell: Callable[[RowResult], Awaitable[None]],
        replay: bool,
    ) -> None:
        self._job = job
        self._run = run
        self._counts = counts
        self._tell = tell
        self._replay = replay
        self._source: Iterator[Any] | AsyncIterator[Any] = (
            rows.__aiter__() if isinstance(rows, AsyncIterable) else iter(rows)
        )
        self.ready: deque[tuple[Row, str, bool]] = deque()
        """Rows that were met and are to be called."""
        self.is_stopped = False
        self._broken: Exception | None = None
        self._hungry = 0
        self._reach = self._ahead = max(1, min(job.concurrency // _AHEAD, _FARTHEST))
        self._turn = asyncio.Lock()

    async def next(self) -> tuple[Row, str, bool] | None:
        """The next row to call, its id, whether it may have been paid before; ``None`` at the end."""
        if self.ready and not self.is_stopped:
            return self.ready.popleft()
        self._hungry += 1
        try:
            while not self.ready and not self.is_stopped:
                async with self._turn:
                    if self.ready or self.is_stopped:
                        continue
                    rows = await self._read()
                    if not rows:
                        return None
                    if isinstance(self._source, Iterator):
                        await self._meet(rows)
                        continue
                await self._meet(rows)  # while others wait for the source
        finally:
            self._hungry -= 1
        return None if self.is_stopped else self.ready.popleft()

    async def _read(self) -> list[Any]:
        """Rows to meet together: of a source that may wait one, else as many as are wanted; none at the end."""
        if isinstance(self._source, AsyncIterator):
            try:
                return [await anext(self._source)]
            except StopAsyncIteration:
                return []
        rows: list[Any] = []
        if self._broken is not None:
            raise self._broken
        try:
            for row in islice(self._source, min(max(self._hungry, self._reach), _FARTHEST)):
                rows.append(row)  # those before one that cannot be read are kept
        except Exception as error:
            self._broken = error
            if not rows:
                raise
        return rows

    async def _meet(self, rows: Sequence[Any]) -> None:
        """Ask the journal what is to be done with ``rows``; further ahead from one that only has rows that are done."""
        job = self._job
        good: list[tuple[Row, str]] = []
        for row in rows:
            id, wrong = id_of(row, job.id_field)
            if id is None:
                await self._bad(None, wrong)
            else:
                good.append((row, id))
        ids = [id for _, id in good]
        done: list[str] = []
        met = await job.journal.meet(ids, run=self._run, retry=job.retry) if ids else []
        for (row, id), (seen, paid_before) in zip(good, met, strict=True):
            match seen:
                case Seen.NEW:
                    self.ready.append((row, id, paid_before))
                case Seen.TWICE:
                    await self._bad(id, TWICE)
                case Seen.ELSEWHERE:
                    self._counts.elsewhere += 1
                case Seen.DONE:
                    self._counts.resumed += 1
                    done.append(id)
        self._reach = min(2 * self._reach, _FARTHEST) if len(done) == len(rows) else self._ahead
        if done and self._replay:
            for result in await job.journal.get(done):
                if result is not None:
                    await self._tell(result)
        if not self.ready:
            await asyncio.sleep(0)  # the calls in flight get their turn

    async def _bad(self, id: str | None, wrong: str | None) -> None:
        self._counts.bad += 1
        by_code, code = self._counts.bad_by_code, str(wrong).partition(" ")[2]
        by_code[code] = by_code.get(code, 0) + 1
        await self._tell(RowResult(id=id, status=Status.FAILED, error=wrong, credits_micro=0))
