"""``BatchJob``: one call for each row, each row once, whatever happens. Asyncio in one process; engines go on top."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable, Iterator
from contextlib import aclosing, closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aivideoapi_batch._calls import Row, RowCall, as_call
from aivideoapi_batch._job_settings import JobSettings, OnBudget
from aivideoapi_batch._journal import Journal
from aivideoapi_batch._journal_redis import RedisJournal
from aivideoapi_batch._journal_sqlite import SUFFIXES as SQLITE_SUFFIXES
from aivideoapi_batch._journal_sqlite import SQLiteJournal
from aivideoapi_batch._journal_store import JournalStore
from aivideoapi_batch._pace import Pace
from aivideoapi_batch._redis import SCHEMES as REDIS_SCHEMES
from aivideoapi_batch._report import BatchEstimate, BatchReport, RunCounts, estimated
from aivideoapi_batch._results import RowResult, Status
from aivideoapi_batch._rows import check_rows, check_text, id_of
from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import clean_tags, with_known_arguments

if TYPE_CHECKING:
    from aivideoapi_batch._loop import LoopThread

logger = logging.getLogger("aivideoapi")

RETRYABLE: Final = tuple(status.value for status in Status if status is not Status.OK)

_AT_ONCE: Final = 1000
"""So many ids are looked up together."""


_ON_THE_MODEL: Final = "set it on the model of the call, such as ChatAIVideoAPI(..., {}=...)"
_ADVICE: Final = {
    **{name: _ON_THE_MODEL.format(name) for name in ("budget", "ledger", "prices", "timeout")},
    **dict.fromkeys(
        ("model", "llm", "prompt", "schema"), "make the call with it: prompt_call(model, 'Say {text}')"
    ),
    "rows": "give the rows to run(rows)",
    "max_tokens": "give it to prompt_call(model, prompt, max_tokens=...)",
}
"""What people look for here, and where it is."""
_OF_RUNS: Final = dict.fromkeys(
    ("concurrency", "retry", "pace", "max_retries", "on_budget", "journal", "name"),
    "give it to BatchJob(...)",
)


class BatchJob(JobSettings):
    """One call for each row, with a journal that makes every row end with exactly one result.

    ``call``: from ``prompt_call`` or ``transform_call``, or a function of a row. ``name`` and ``journal`` say which job
    it is; another model, prompt, schema or setting is another job, and refused. ``journal``: a folder (``Journal``); a
    file that ends in ``.sqlite`` or ``.db``, best that of budget and ledger (``SQLiteJournal``); for many machines the
    URL of a Redis (``RedisJournal``). ``id`` is the field with the id of a row. ``concurrency``: calls at once.

    ``on_budget``: where a row does not fit the budget of the model. ``"wait"``: it waits for running
    calls to give back what they reserved and did not use; when nothing is left to wait for, the job ends and leaves
    the rest for the next run. ``"mark"``: the row's result is ``refused``. A row that could not fit the whole
    limit is always marked.

    ``pace``: a ``Pace`` shared with other jobs, or with other machines (``Pace.shared``); ``None``: one of its own. ``retry``: statuses of earlier
    results whose rows are called again: ``failed``, ``refused``, ``lost``. ``max_retries``: tries after
    the first for errors that cost nothing and may pass; a 429 counts apart and is waited out.
    """

    @partial(with_known_arguments, advice=_ADVICE)
    def __init__(
        self,
        call: RowCall | Callable[[Row], Any],
        *,
        name: str,
        journal: JournalStore | str | os.PathLike[str],
        id: str = "id",
        concurrency: int = 32,
        on_budget: OnBudget = "wait",
        pace: Pace | None = None,
        retry: Iterable[str] = (),
        max_retries: int = 2,
    ) -> None:
        from aivideoapi_core import RetryPolicy

        if type(concurrency) is not int or concurrency < 1:
            raise InvalidInputError(f"concurrency must be a whole number of at least 1, not {concurrency!r}")
        if on_budget not in ("wait", "mark"):
            raise InvalidInputError(f"on_budget must be 'wait' or 'mark', not {on_budget!r}")
        if not isinstance(retry, (str, Iterable)):
            raise InvalidInputError(f"retry must name some of {', '.join(RETRYABLE)}, not {retry!r}")
        retry = [retry] if isinstance(retry, str) else list(retry)
        if wrong := [status for status in retry if status not in RETRYABLE]:
            raise InvalidInputError(f"retry must name some of {', '.join(RETRYABLE)}, not {wrong[0]!r}")
        if pace is not None and not hasattr(pace, "enter"):
            raise InvalidInputError(f"pace must be a Pace, such as Pace(most=8), not {pace!r}")
        self.call = as_call(call)
        self.name = check_text("name", name)
        self.tags = _tags_of(name)
        self.id_field = check_text("id", id)
        self.journal = _journal_of(journal, name=name)
        self.concurrency = concurrency
        self.on_budget = on_budget
        self.pace = pace or Pace()
        self.retry = frozenset(map(Status, retry))
        self.policy = RetryPolicy(max_retries=max_retries)
        self._counts = RunCounts()
        self._stop: Callable[[str], None] | None = None
        self._loop: LoopThread | None = None

    @property
    def counts(self) -> RunCounts:
        """What the last run of this object did, in this process."""
        return self._counts

    @partial(with_known_arguments, advice=_OF_RUNS)
    def estimate(self, rows: Iterable[Any], *, available_micro: int | None = None) -> BatchEstimate:
        """What ``rows`` will cost and how many of them fit ``available_micro``; reads ``rows`` to the end, no I/O.

        ``available_micro``: microcredits; ``None`` takes the limit of the model's budget.
        """
        check_rows(rows)
        budget = self.call.budget
        if available_micro is None and budget is not None:
            available_micro = budget.limit_micro
        checked = ((row, id_of(row, self.id_field)[0] is not None) for row in rows)
        return estimated(self.call, checked, available_micro=available_micro)

    def open_rows(self, rows: Iterable[Any]) -> Iterator[Any]:
        """Those of ``rows`` that a run would work on: without a result, or with one that ``retry`` names.

        Reads the journal and changes nothing; the rows of another job's journal are not known for what they are.
        """
        check_rows(rows)
        rows = iter(rows)
        while some := list(islice(rows, _AT_ONCE)):
            ids = [id_of(row, self.id_field)[0] for row in some]
            known = self.journal.statuses([id for id in ids if id is not None])
            statuses = iter(known)
            for row, id in zip(some, ids, strict=True):
                status = None if id is None else next(statuses)
                if status is None or status in self.retry:
                    yield row

    async def arun(
        self, rows: Iterable[Any] | AsyncIterable[Any], *, replay: bool = True
    ) -> AsyncGenerator[RowResult, None]:
        """Work through ``rows``; results as they come, safe in the journal before they are seen.

        ``rows`` are read as they are needed. A row with a result is not called; its result comes from
        the journal (``resumed``), or not at all with ``replay=False``. A row that is no mapping, has no
        id, or the id of another row of the same run comes as ``failed`` and is not written down.
        Raises ``InvalidInputError`` for the journal of another job and for a budget that its store keeps with other
        terms, ``JournalError`` if it breaks.
        """
        from aivideoapi_batch._run import Run

        run = Run(self, rows, replay=replay)
        self._counts, self._stop = run.counts, run.stop
        try:
            async with aclosing(run.results()) as results:
                async for result in results:
                    yield result
        finally:
            self._stop = None

    @partial(with_known_arguments, advice=_OF_RUNS)
    def run(self, rows: Iterable[Any], *, replay: bool = True) -> list[RowResult]:
        """The same, to the end: the results as a list. For more rows than memory holds there is ``arun``."""
        try:
            return _finished(partial(self._results_of, rows, replay=replay))
        except KeyboardInterrupt:
            logger.warning(
                "batch job %r was interrupted: the %d rows that were called have their result in %r; run it again to go on",
                *(self.name, self.counts.called, self.journal),
            )
            raise

    def __call__(self, batch: Any) -> Any:
        """The results of a batch of a table as an Arrow table: ``ds.map_batches(job)``.

        ``batch``: an Arrow table, a pandas DataFrame or a dict of columns. See ``map_rows`` for the columns, and for
        a pool of workers. Needs pyarrow. Raises as ``arun`` does.
        """
        from aivideoapi_batch._loop import LoopThread
        from aivideoapi_batch._tables import rows_of, table_of

        if self._loop is None:
            self._loop = LoopThread()
        rows = rows_of(batch)
        return table_of(self._loop.run(self._results_of(rows)))

    async def _results_of(self, rows: Iterable[Any], *, replay: bool = True) -> list[RowResult]:
        return [result async for result in self.arun(rows, replay=replay)]

    def stop(self, reason: str = "stopped") -> None:
        """Take no new rows; the calls in flight are finished and written down. For signal handlers."""
        if self._stop is not None:
            self._stop(reason)

    def report(self) -> BatchReport:
        """What the journal, the ledger and the budget say now. Raises ``BudgetStoreError``."""
        ledger, budget = self.call.ledger, self.call.budget
        return BatchReport(
            totals=self.journal.totals(),
            counts=self._counts,
            ledger=None if ledger is None else ledger.summary,
            standing=None if budget is None else budget.standing(),
            calls_once=getattr(self.call, "calls_once", False),
        )

    def results(self) -> Iterator[RowResult]:
        """Every row's result, from the journal; of any number of rows at constant memory."""
        return self.journal.results()

    def close(self) -> None:
        """Let go of files and connections; a later run opens them again."""
        self.journal.close()

    def __getstate__(self) -> dict[str, Any]:
        """Raises ``InvalidInputError`` where the key would travel, ``TypeError`` for a budget in memory."""
        if self.call.key() is not None:
            raise InvalidInputError(
                "the key would be pickled with this job: do not pass api_key to the model, but set "
                "AIVIDEOAPI_API_KEY where the job runs, on each worker"
            )
        # A model may leave its budget out of its pickle; a job without its limit is another job.
        pickle.dumps((self.call.budget, self.call.ledger))
        return {**self.__dict__, "_counts": RunCounts(), "_stop": None, "_loop": None}

    def __repr__(self) -> str:
        return f"BatchJob(name={self.name!r}, journal={self.journal!r})"


def _tags_of(name: str) -> tuple[str, ...]:
    """The name as the tag of the job's calls, if it has the shape of one; told once, not with each row."""
    tags = clean_tags((name,))
    if not tags:
        logger.warning("batch job %r: its name is no tag (see spend_tags), so its calls have none", name)
    return tags


def _journal_of(journal: Any, *, name: str) -> JournalStore:
    if isinstance(journal, str) and journal.startswith(REDIS_SCHEMES):
        return RedisJournal(journal, name=name)
    if isinstance(journal, (str, os.PathLike)):
        if os.fspath(journal).endswith(SQLITE_SUFFIXES):
            return SQLiteJournal(journal, name=name)
        if "://" in os.fspath(journal):
            raise InvalidInputError(
                "journal is a URL, and not one of a Redis: give 'redis://...', a folder, or a file"
            )
        return Journal(journal)
    if isinstance(journal, JournalStore):
        return journal
    raise InvalidInputError(
        f"journal must be a folder, an SQLite file, the URL of a Redis, or a journal, not {journal!r}"
    )


def _finished(work: Callable[[], Coroutine[Any, Any, list[RowResult]]]) -> list[RowResult]:
    """What the coroutine of ``work`` returns; in a thread of its own where an event loop runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    from aivideoapi_batch._loop import LoopThread

    with closing(LoopThread()) as aside:
        return aside.run(work())
