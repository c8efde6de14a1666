"""The index of a journal's ids, at constant memory: a private SQLite file that the system deletes with the process.

What a run works on is kept beside it, in memory, and goes into the file many ids at a time: a statement for each step
of each row would be half of a job's own work.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

CACHE_KIB: Final = 16 * 1024
"""What the file may hold in memory, whatever the number of ids; the rest is on disk (about 70 MB per million)."""
_MOST_HELD: Final = 2048
"""Ids beside the file; about a megabyte."""
_ASKED_AT_ONCE: Final = 64
"""Ids in one statement; a page of rows that are met together is seldom more."""

_SCHEMA: Final = """
CREATE TABLE ids (
    key BLOB PRIMARY KEY, status TEXT, segment INTEGER, place INTEGER,
    unfinished INTEGER NOT NULL DEFAULT 0, paid INTEGER NOT NULL DEFAULT 0, run INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID
"""
_BEGAN: Final = """
INSERT INTO ids (key, unfinished) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET unfinished = unfinished + excluded.unfinished
"""
_ENDED: Final = """
INSERT INTO ids (key, status, segment, place, paid) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    unfinished = max(unfinished - 1, 0), paid = max(paid, excluded.paid),
    segment = CASE WHEN status = 'ok' THEN segment ELSE excluded.segment END,
    place = CASE WHEN status = 'ok' THEN place ELSE excluded.place END,
    status = CASE WHEN status = 'ok' THEN status ELSE excluded.status END
"""
_PUT: Final = "INSERT OR REPLACE INTO ids VALUES (?, ?, ?, ?, ?, ?, ?)"
_LOOK: Final = "SELECT * FROM ids WHERE key IN ({})"


@dataclass(slots=True)
class Known:
    """What the journal says of one id. ``status=None``: no result yet. ``run``: the last run that met it.

    ``unfinished``: calls that began and have no result. ``paid``: an earlier result may have cost something.
    """

    key: bytes
    status: str | None = None
    segment: int | None = None
    place: int | None = None
    unfinished: int = 0
    paid: bool = False
    run: int = 0

    @property
    def may_be_paid(self) -> bool:
        """Whether an earlier call of it may have been billed."""
        return self.paid or self.unfinished > 0

    def is_done(self, retry: Container[str]) -> bool:
        """Whether it has a result that is none of ``retry``."""
        return self.status is not None and self.status not in retry

    def end(self, status: str, segment: int, place: int, *, paid: bool) -> None:
        """A result at that place; "ok" stays "ok"."""
        self.unfinished = max(self.unfinished - 1, 0)
        self.paid = self.paid or paid
        if self.status != "ok":
            self.status, self.segment, self.place = status, segment, place


class Index:
    """Ids by a 128-bit hash: of a billion, the chance that any two are taken for one is below 10⁻²⁰.

    Safe to ask from any thread.
    """

    def __init__(self) -> None:
        # "" is a private file on disk, gone with its connection: nothing is left behind by a kill.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute(_SCHEMA)
        self._is_empty = True
        self._held: dict[str, Known] = {}
        """What is newer than the file."""
        self._lock = threading.Lock()

    def began(self, ids: Iterable[str], *, by: int = 1) -> None:
        """Calls of ``ids`` began; ``by=-1``: they were not made after all."""
        self._many(_BEGAN, [(_key(id), by) for id in ids])

    def ended(self, results: Iterable[tuple[str, str, int, int, bool]]) -> None:
        """Results: (id, status, segment, place in it, whether it may have cost something). "ok" stays "ok"."""
        self._many(_ENDED, [(_key(result[0]), *result[1:]) for result in results])

    def began_one(self, id: str, *, by: int = 1) -> None:
        """``began`` for one id, as a run does it."""
        with self._lock:
            (self._held.get(id) or self._hold((id,))[0]).unfinished += by

    def ended_one(self, id: str, status: str, segment: int, place: int, *, paid: bool) -> None:
        """``ended`` for one result, as a run does it."""
        with self._lock:
            (self._held.get(id) or self._hold((id,))[0]).end(status, segment, place, paid=paid)

    def met(self, ids: Sequence[str], *, run: int) -> list[tuple[Known, bool]]:
        """Run ``run`` meets ``ids``: what is known of each, and whether this run had met it before."""
        found: list[tuple[Known, bool]] = []
        with self._lock:
            for known in self._hold(ids):
                found.append((known, known.run == run))
                known.run = run
        return found

    def look(self, ids: Sequence[str]) -> list[Known]:
        """What is known of ``ids``; of one that was never seen, nothing."""
        with self._lock:
            held = self._held
            read = self._read([id for id in ids if id not in held])
            return [held.get(id) or read[id] for id in ids]

    def counts(self) -> dict[str, int]:
        """Ids by status, of those that have one."""
        ask = "SELECT status, count(*) FROM ids WHERE status IS NOT NULL GROUP BY status"
        with self._lock:
            self._put()
            return dict(self._db.execute(ask))

    def unfinished(self) -> tuple[int, int]:
        """Calls that began and have no result: in all, and of ids that have a result of another call."""
        ask = "SELECT total(unfinished), total(CASE WHEN status IS NULL THEN 0 ELSE unfinished END) FROM ids"
        with self._lock:
            self._put()
            all_of_them, repeated = self._db.execute(ask).fetchone()
        return int(all_of_them), int(repeated)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _hold(self, ids: Sequence[str]) -> list[Known]:
        """Those of ``ids``, to be changed."""
        held = self._held
        if new := [id for id in ids if id not in held]:
            if len(held) + len(new) > _MOST_HELD:
                self._put()
                held, new = self._held, list(ids)
            held.update(self._read(new))
        return [held[id] for id in ids]

    def _read(self, ids: Sequence[str]) -> dict[str, Known]:
        """What the file knows of ``ids``."""
        read = {id: Known(_key(id)) for id in ids}
        keys = [known.key for known in read.values()]
        rows: dict[bytes, Known] = {}
        for start in range(0, 0 if self._is_empty else len(keys), _ASKED_AT_ONCE):
            some = keys[start : start + _ASKED_AT_ONCE]
            for row in self._db.execute(_LOOK.format(", ".join("?" * len(some))), some):
                rows[row[0]] = Known(*row)
        return {id: rows.get(known.key, known) for id, known in read.items()} if rows else read

    def _put(self) -> None:
        """Bring the file up to date, and hold nothing beside it."""
        held, self._held = self._held, {}
        if not held:
            return
        self._execute(
            _PUT,
            (
                (one.key, one.status, one.segment, one.place, one.unfinished, one.paid, one.run)
                for one in held.values()
            ),
        )

    def _many(self, statement: str, facts: Sequence[tuple[object, ...]]) -> None:
        with self._lock:
            if not facts:
                return
            self._put()
            self._execute(statement, facts)

    def _execute(self, statement: str, facts: Iterable[tuple[object, ...]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(statement, facts)
        self._db.execute("COMMIT")
        self._is_empty = False


def _key(id: str) -> bytes:
    return blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
