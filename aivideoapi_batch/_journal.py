"""``Journal``: what became of each row, in a folder. Lines are only ever added.

Every process writes a file of its own, ``journal-*.jsonl``. Before a call it writes ``{"call": id}``,
right after it the result; ``{"back": id}`` takes the first one back if the call was not made after all. A row of
several calls has ``{"note": id, "sums": [...]}`` after each, and in its result's ``noted`` what of it was in notes.
So a process that dies leaves behind the ids of the calls that it had in flight, and no more. A last
line without its end is a line that was never written. Results are found by their place in the files.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from aivideoapi_batch._claims import Claims
from aivideoapi_batch._index import Index, Known
from aivideoapi_batch._journal_files import LINES, OwnFile, changed_at, keep, lines_of, parsed
from aivideoapi_batch._journal_store import Seen, Totals
from aivideoapi_batch._manifest import Manifest
from aivideoapi_batch._results import RowResult, Status
from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import Entry

_quoted: Final = json.encoder.encode_basestring_ascii
MANIFEST: Final = "manifest.json"
CLAIMS: Final = "claims"


class Journal:
    """A journal in ``folder``, made if it is not there; for the processes of one machine, or a shared disk.

    What it holds in memory does not grow with the rows (a cache of 16 MB; its index is a temporary file of
    about 70 MB per million ids). A result is safe from the end of its process once it is written;
    ``fsync=True`` makes it safe from a power cut too, at the price of a wait for the disk in each row.

    With retries, a row's last result counts, but nothing replaces an ``ok``. Two processes that are given the same
    rows at the same time share them: each row is claimed by one, and left by the other (``elsewhere``).
    """

    def __init__(self, folder: str | os.PathLike[str], *, fsync: bool = False) -> None:
        self.folder = Path(folder)
        if self.folder.is_file():
            raise InvalidInputError(
                f"{os.fspath(folder)!r} is a file: name a folder for the journal, or a file that ends in .sqlite"
            )
        self._fsync = fsync
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._index: Index | None = None
        self._totals = Totals()
        self._segments: list[Path] = []
        self._read: dict[Path, int] = {}
        self._sizes: dict[Path, int] = {}
        self._own: OwnFile | None = None
        self._own_segment = 0
        self._runs = 0
        self._claims = Claims(self.folder / CLAIMS)
        self._changed = 0
        self._writing = threading.Lock()  # notes come from the threads that calls are made in
        self._notes: dict[str, list[list[int]]] = {}

    async def open(self, manifest: Manifest) -> int:
        """See ``JournalStore``. Raises ``InvalidInputError`` for the journal of another job."""
        self.folder.mkdir(parents=True, exist_ok=True)
        keep(self.folder / MANIFEST, manifest)
        await self.rest()  # an earlier run may have been torn off
        self._notes = {}
        self.refresh()
        self._runs += 1
        return self._runs

    def check(self, manifest: Manifest) -> None:
        """Raise ``InvalidInputError`` if the folder holds another job's journal; makes nothing."""
        path = self.folder / MANIFEST
        if path.exists():
            manifest.check(path.read_bytes(), place=str(path))

    def refresh(self) -> None:
        """Read what other processes have written since."""
        index = self._indexed()
        self._changed = changed_at(self.folder)
        for path in sorted(self.folder.glob("journal-*.jsonl")):
            if path not in self._read:
                self._read[path] = 0
                self._segments.append(path)
            if self._own is None or path != self._own.path:
                self._sizes[path] = path.stat().st_size
                self._read[path] += self._load(index, self._segments.index(path), self._read[path])

    def _catch_up(self) -> bool:
        """Read what others have written since, if they have; whether they have. A few system calls where not."""
        own = None if self._own is None else self._own.path
        if changed_at(self.folder) == self._changed and all(
            path == own or path.stat().st_size == self._sizes[path] for path in self._segments
        ):
            return False
        self.refresh()
        return True

    async def rest(self) -> None:
        """See ``JournalStore``."""
        self._claims.close()

    async def meet(
        self, ids: Sequence[str], *, run: int, retry: frozenset[Status]
    ) -> list[tuple[Seen, bool]]:
        """See ``JournalStore``."""
        index, found, new = self._indexed(), list[tuple[Seen, bool]](), list[int]()
        for id, (known, is_twice) in zip(ids, index.met(ids, run=run), strict=True):
            seen = Seen.NEW
            if is_twice:
                seen = Seen.TWICE
            elif known.is_done(retry):
                seen = Seen.DONE
            elif not self._claims.take(id):
                seen = Seen.ELSEWHERE
            else:
                new.append(len(found))
            found.append((seen, seen is Seen.NEW and known.may_be_paid))
        # Another process may have finished one a moment ago, and let go of it.
        if new and self._catch_up():
            for place, known in zip(new, index.look([ids[place] for place in new]), strict=True):
                if known.is_done(retry):
                    self._claims.give_back(ids[place])
                    found[place] = Seen.DONE, False
                else:
                    found[place] = Seen.NEW, known.may_be_paid
        return found

    async def began(self, id: str) -> bool:
        """See ``JournalStore``."""
        index = self._indexed()
        with self._writing:
            self._own_file().add(b'{"call":%b}' % _quoted(id).encode())
        index.began_one(id)
        return True

    async def back(self, id: str) -> None:
        """See ``JournalStore``."""
        index = self._indexed()
        with self._writing:
            self._own_file().add(b'{"back":%b}' % _quoted(id).encode())
        index.began_one(id, by=-1)

    def entry(self, result: RowResult, done: Callable[[RowResult], None]) -> None:
        """See ``JournalStore``; files have no transactions."""

    def note(self, id: str, paid: Totals) -> Entry:
        """See ``JournalStore``."""
        numbers = paid.numbers()

        def put(_: object) -> None:
            line = json.dumps({"note": id, "sums": numbers}, separators=(",", ":")).encode()
            self._indexed()
            with self._writing:
                self._own_file().add(line)
                self._totals.note(numbers)
                self._notes.setdefault(id, []).append(numbers)

        return Entry(LINES, put)

    async def ended(self, result: RowResult) -> RowResult:
        """See ``JournalStore``."""
        assert result.id is not None  # noqa: S101 - rows without an id are never called
        index = self._indexed()
        line, status, paid = result.to_json(), result.status.value, result.may_have_cost
        with self._writing:
            notes = self._notes.pop(result.id, None)
            noted = [] if notes is None else [sum(each) for each in zip(*notes, strict=True)]
            if noted:
                line = line[:-1] + b',"noted":%b}' % json.dumps(noted).encode()
            place = self._own_file().add(line)
            self._totals.add(result)
            if noted:
                self._totals.note(noted, by=-1)
        index.ended_one(result.id, status, self._own_segment, place, paid=paid)
        self._claims.give_back(result.id)
        return result

    async def get(self, ids: Sequence[str]) -> list[RowResult | None]:
        """See ``JournalStore``."""
        return [self._at(known) for known in self._indexed().look(ids)]

    def _at(self, known: Known) -> RowResult | None:
        if known.segment is None or known.place is None:
            return None
        with self._segments[known.segment].open("rb") as file:
            file.seek(known.place)
            return RowResult.from_dict(json.loads(file.readline()), resumed=True)

    def statuses(self, ids: Sequence[str]) -> list[str | None]:
        """See ``JournalStore``."""
        self.refresh()
        return [known.status for known in self._indexed().look(ids)]

    def results(self) -> Iterator[RowResult]:
        """See ``JournalStore``; in the order in which they were written, at constant memory."""
        self.refresh()
        index = self._indexed()
        for number, path in enumerate(self._segments):
            with path.open("rb") as file:
                for place, line in lines_of(file, 0):
                    row = parsed(line)
                    if "status" not in row:
                        continue
                    (known,) = index.look([row["id"]])
                    if (known.segment, known.place) == (number, place):
                        yield RowResult.from_dict(row, resumed=True)

    def totals(self) -> Totals:
        """See ``JournalStore``."""
        self.refresh()
        totals, index = self._totals, self._indexed()
        totals.rows = index.counts()
        totals.unfinished_calls, totals.repeated_calls = index.unfinished()
        return totals

    def close(self) -> None:
        """See ``JournalStore``."""
        if self._pid == os.getpid():
            if self._own is not None:
                self._own.close()
            if self._index is not None:
                self._index.close()
            self._claims.close()
        self._forget()

    def __repr__(self) -> str:
        return f"Journal({str(self.folder)!r})"

    def __reduce__(self) -> Any:
        return _rebuilt, (self.folder.absolute(), self._fsync)  # another process may be elsewhere

    def _indexed(self) -> Index:
        if self._pid != os.getpid():  # a fork writes a file of its own
            self._forget()
        if self._index is None:
            self._index = Index()
            self.refresh()
        return self._index

    def _own_file(self) -> OwnFile:
        """After ``_indexed``, which sees to it that it is no other process's."""
        if self._own is None:
            self._own = OwnFile(self.folder, fsync=self._fsync)
            self._own_segment = len(self._segments)
            self._segments.append(self._own.path)
            self._read[self._own.path] = 0
        return self._own

    def _load(self, index: Index, segment: int, start: int) -> int:
        """Read whole lines from ``start``; how many bytes they are."""
        end = start
        began: list[str] = []
        back: list[str] = []
        ended: list[tuple[str, str, int, int, bool]] = []

        def hand_over() -> None:
            # In this order: a call begins before it ends.
            index.began(began)
            index.began(back, by=-1)
            index.ended(ended)
            for waiting in (began, back, ended):
                waiting.clear()

        with self._segments[segment].open("rb") as file:
            for place, line in lines_of(file, start):
                end = place + len(line)
                row = parsed(line)
                if "status" in row:
                    result = RowResult.from_dict(row)
                    self._totals.add(result)
                    if "noted" in row:
                        self._totals.note(row["noted"], by=-1)
                    ended.append((row["id"], row["status"], segment, place, result.may_have_cost))
                elif "call" in row:
                    began.append(row["call"])
                elif "note" in row:
                    self._totals.note(row["sums"])
                elif "back" in row:
                    back.append(row["back"])
                if len(began) + len(ended) >= 20_000:
                    hand_over()
        hand_over()
        return end - start


def _rebuilt(folder: Path, fsync: bool) -> Journal:
    return Journal(folder, fsync=fsync)
