"""``RedisJournal``: what became of each row, in a Redis, for workers on many machines. Every step is one script.

A row is worked on by whoever has its claim, and a claim holds as long as its worker's lease, which is renewed while the
run lasts: one lease for all claims of a worker. A worker that was cut off for longer and lives on loses the row; what it
brings after another has finished it is counted, and does not replace the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from aivideoapi_batch._index import Index
from aivideoapi_batch._journal_store import (
    REPORTED_DIGITS,
    SUMS,
    JournalError,
    Seen,
    Totals,
    beyond,
    to_bytes,
)
from aivideoapi_batch._manifest import Manifest
from aivideoapi_batch._redis import RedisLink, checked_name, checked_url, link_to
from aivideoapi_batch._results import RowResult, Status
from aivideoapi_core.adapter_kit import Entry, check_seconds, place_of, with_known_arguments

_SCRIPT: Final = "journal.lua"
_LEASE_S: Final = 60.0
_BEATS: Final = 3
"""Renewals in a lease."""
_SCANNED: Final = 500


class RedisJournal:
    """A journal in the Redis (6.2 or later) at ``url``, under the ``name`` of the job; ``BatchJob(journal="redis://...")``.

    Run that Redis with ``appendonly yes``: what it forgets is paid for again. What this process holds in memory does not
    grow with the rows. ``lease_s``: after so long without a sign of a worker, others may have its rows. Needs the extra
    ``redis``; pickles as its URL. Raises ``InvalidInputError``.
    """

    @with_known_arguments
    def __init__(self, url: str, *, name: str, lease_s: float = _LEASE_S) -> None:
        self._url = checked_url(url, argument="journal")
        self.name = checked_name(name, argument="name")
        check_seconds("lease_s", lease_s)
        self._lease_s = lease_s
        self._key = f"aivideoapi:batch:{{{name}}}"
        self._client: Any = None
        self._link: RedisLink | None = None
        self._place: Any = None
        self._beats: asyncio.Task[None] | None = None
        self._worker = ""
        self._runs = self._tokens = 0
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._index: Index | None = None
        self._met: dict[str, tuple[bytes, str]] = {}
        """Of the rows that are worked on: the token of the result that stood there, and of the one to come."""
        self._notes: dict[str, list[list[int]]] = {}

    async def open(self, manifest: Manifest) -> int:
        """See ``JournalStore``. Raises ``InvalidInputError`` for the journal of another job."""
        await self.rest()
        self._met = {}
        self._worker = secrets.token_hex(8)
        self._link = link_to(self._url)
        self._place = place_of(self._url)
        manifest.check(await self._step("open", "", manifest.to_json()), place=repr(self))
        self._beats = asyncio.create_task(self._beat())
        self._runs += 1
        return self._runs

    def check(self, manifest: Manifest) -> None:
        """Raise ``InvalidInputError`` if another job's journal has the name; makes nothing."""
        kept = self._asked("get", f"{self._key}:manifest")
        if kept is not None:
            manifest.check(kept, place=repr(self))

    async def rest(self) -> None:
        """See ``JournalStore``."""
        if self._beats is not None:
            self._beats.cancel()
        link, self._link, self._beats = self._link, None, None
        if link is not None:
            with contextlib.suppress(Exception):  # who is not heard any more is given up after a lease
                await link.run(_SCRIPT, self._key, "bye", self._worker)
                await link.close()

    async def meet(
        self, ids: Sequence[str], *, run: int, retry: frozenset[Status]
    ) -> list[tuple[Seen, bool]]:
        """See ``JournalStore``; one round trip."""
        if self._pid != os.getpid():
            self._forget()
        index = self._index = self._index or Index()
        found, new = dict[int, tuple[Seen, bool]](), list[int]()
        for place, (_, is_twice) in enumerate(index.met(ids, run=run)):
            if is_twice:
                found[place] = Seen.TWICE, False
            else:
                new.append(place)
        if new:
            names = [to_bytes(ids[place]) for place in new]
            said = await self._step("meet", "", f",{','.join(sorted(retry))},", *names)
            for place, (seen, paid, token) in zip(new, zip(*[iter(said)] * 3, strict=True), strict=True):
                found[place] = Seen(seen.decode()), bool(paid)
                if found[place][0] is Seen.NEW:
                    self._tokens += 1
                    self._met[ids[place]] = token, f"{self._worker}:{self._tokens}"
                    self._notes[ids[place]] = []
        return [found[place] for place in range(len(ids))]

    async def began(self, id: str) -> bool:
        """See ``JournalStore``."""
        return bool(await self._step("began", id, self._met[id][0]))

    async def back(self, id: str) -> None:
        """See ``JournalStore``."""
        await self._step("back", id)

    def entry(self, result: RowResult, done: Callable[[RowResult], None]) -> Entry | None:
        """See ``JournalStore``."""
        return self._entry(self._facts_of(result), lambda kept: done(self._kept(result, kept)))

    def note(self, id: str, paid: Totals) -> Entry | None:
        """See ``JournalStore``."""
        numbers, notes = paid.numbers(), self._notes.get(id)
        if notes is None:  # of a call that goes on after its row has ended
            return None
        facts = ("note", self._worker, self._lease_s, to_bytes(id), secrets.token_hex(8), *_sums(numbers))
        return self._entry(facts, lambda _: notes.append(numbers))

    def _entry(self, facts: Sequence[Any], done: Callable[[Any], None]) -> Entry | None:
        sha = None if self._link is None else self._link.known(_SCRIPT)
        command = ("EVALSHA", sha, 1, self._key, *facts)
        return None if sha is None else Entry(self._place, lambda pipe: pipe.execute_command(*command), done)

    async def ended(self, result: RowResult) -> RowResult:
        """See ``JournalStore``."""
        return self._kept(result, await self._ask(None, *self._facts_of(result)))

    def _facts_of(self, result: RowResult) -> list[Any]:
        assert result.id is not None  # noqa: S101 - rows without an id are never called
        sums = Totals()
        sums.add(result)
        return [
            *("ended", self._worker, self._lease_s, to_bytes(result.id), *self._met[result.id]),
            *(result.status.value, int(result.may_have_cost)),
            result.to_json(),
            *_sums(beyond(sums.numbers(), self._notes[result.id])),
        ]

    def _kept(self, result: RowResult, kept: bytes) -> RowResult:
        self._met.pop(str(result.id), None)
        self._notes.pop(str(result.id), None)
        return RowResult.from_dict(json.loads(kept), resumed=True) if kept else result

    async def get(self, ids: Sequence[str]) -> list[RowResult | None]:
        """See ``JournalStore``."""
        rows = await self._ask("HMGET", f"{self._key}:rows", *map(to_bytes, ids))
        return [None if row is None else _result(row) for row in rows]

    def statuses(self, ids: Sequence[str]) -> list[str | None]:
        """See ``JournalStore``."""
        if not ids:
            return []
        found = self._asked("hmget", f"{self._key}:rows", list(map(to_bytes, ids)))
        return [None if row is None else _status(row) for row in found]

    def results(self) -> Iterator[RowResult]:
        """See ``JournalStore``; in no order, at constant memory."""
        seen, cursor = Index(), 0
        try:
            while True:
                cursor, found = self._asked("hscan", f"{self._key}:rows", cursor, count=_SCANNED)
                names = [name.decode("utf-8", "surrogatepass") for name in found]
                # A scan may meet a field twice.
                for row, (_, is_twice) in zip(found.values(), seen.met(names, run=1), strict=True):
                    if not is_twice:
                        yield _result(row)
                if not cursor:
                    return
        finally:
            seen.close()

    def totals(self) -> Totals:
        """See ``JournalStore``. Reported credits are summed to the ninth decimal."""
        sums = {
            name.decode(): int(value) for name, value in self._asked("hgetall", f"{self._key}:totals").items()
        }
        rows = {name[5:]: count for name, count in sums.items() if name.startswith("rows:") and count}
        reported = Decimal(sums.pop("reported", 0)).scaleb(-REPORTED_DIGITS)
        others = {name: value for name, value in sums.items() if not name.startswith("rows:")}
        return Totals(rows=rows, reported=reported, **others)

    def close(self) -> None:
        """See ``JournalStore``."""
        if self._client is not None:
            self._client.close()
        if self._index is not None and self._pid == os.getpid():
            self._index.close()
        self._client = None
        self._forget()

    def __repr__(self) -> str:
        return f"RedisJournal(name={self.name!r})"  # a URL may have a password in it

    def __reduce__(self) -> Any:
        return _rebuilt, (self._url, self.name, self._lease_s)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / _BEATS)
            with contextlib.suppress(JournalError):  # the next step says it to those who wait for it
                await self._step("beat", "")

    async def _step(self, what: str, id: str, *facts: Any) -> Any:
        return await self._ask(None, what, self._worker, self._lease_s, to_bytes(id), *facts)

    async def _ask(self, command: str | None, *arguments: Any) -> Any:
        """What Redis answers to ``command``, or the script where it is ``None``. Raises ``JournalError``."""
        from redis import RedisError

        if self._link is None:
            raise JournalError("the journal is not open: await journal.open(job.manifest)")
        try:
            if command is None:
                return await self._link.run(_SCRIPT, self._key, *arguments)
            return await self._link.ask(command, *arguments)
        except (RedisError, OSError) as error:
            raise _broken(error) from error

    def _asked(self, method: str, *arguments: Any, **options: Any) -> Any:
        """The same for those who have no event loop."""
        import redis

        if self._client is None:
            self._client = redis.Redis.from_url(self._url)
        try:
            return getattr(self._client, method)(*arguments, **options)
        except (redis.RedisError, OSError) as error:
            raise _broken(error) from error


def _sums(numbers: Sequence[int]) -> list[Any]:
    return [fact for pair in zip(SUMS, numbers, strict=True) if pair[1] for fact in pair]


def _broken(error: Exception) -> JournalError:
    return JournalError(f"the journal's Redis cannot be asked ({type(error).__name__})")


def _status(row: bytes) -> str:
    return row.split(b" ", 2)[1].decode()


def _result(row: bytes) -> RowResult:
    return RowResult.from_dict(json.loads(row.partition(b"\n")[2]), resumed=True)


def _rebuilt(url: str, name: str, lease_s: float) -> RedisJournal:
    return RedisJournal(url, name=name, lease_s=lease_s)
