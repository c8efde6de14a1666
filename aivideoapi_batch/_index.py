"""Which ids a journal holds, at constant memory: a private SQLite file that the system deletes with the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

CACHE_KIB: Final = 16 * 1024
"""What the index may hold in memory, whatever the number of ids; the rest is on disk (about 70 MB per million)."""

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
_LOOK: Final = "SELECT status, segment, place, unfinished, paid, run FROM ids WHERE key = ?"
_SEEN: Final = "INSERT INTO ids (key, run) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET run = excluded.run"


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal says of one id. ``status=None``: no result yet. ``run``: the last run that met it.

    ``unfinished``: calls that began and have no result. ``paid``: an earlier result may have cost something.
    """

    status: str | None
    segment: int | None
    place: int | None
    unfinished: int
    paid: bool
    run: int

    @property
    def may_be_paid(self) -> bool:
        """Whether an earlier call of it may have been billed."""
        return self.paid or self.unfinished > 0

    def is_done(self, retry: Container[str]) -> bool:
        """Whether it has a result that is none of ``retry``."""
        return self.status is not None and self.status not in retry


class Index:
    """Ids by a 128-bit hash: of a billion, the chance that any two are taken for one is below 10⁻²⁰."""

    def __init__(self) -> None:
        # "" is a private file on disk, gone with its connection: nothing is left behind by a kill.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute(_SCHEMA)

    def began(self, ids: Iterable[str], *, by: int = 1) -> None:
        """Calls of ``ids`` began; ``by=-1``: they were not made after all."""
        self._db.execute("BEGIN")
        self._db.executemany(_BEGAN, ((_key(id), by) for id in ids))
        self._db.execute("COMMIT")

    def began_one(self, id: str, *, by: int = 1) -> None:
        """The same for one id."""
        self._db.execute(_BEGAN, (_key(id), by))

    def ended(self, results: Iterable[tuple[str, str, int, int, bool]]) -> None:
        """Results: (id, status, segment, place in it, whether it may have cost something). "ok" stays "ok"."""
        self._db.execute("BEGIN")
        self._db.executemany(_ENDED, ((_key(result[0]), *result[1:]) for result in results))
        self._db.execute("COMMIT")

    def ended_one(self, id: str, status: str, segment: int, place: int, *, paid: bool) -> None:
        """The same for one result."""
        self._db.execute(_ENDED, (_key(id), status, segment, place, paid))

    def look(self, id: str) -> Known | None:
        """What is known of ``id``."""
        row = self._db.execute(_LOOK, (_key(id),)).fetchone()
        if row is None:
            return None
        status, segment, place, unfinished, paid, run = row
        return Known(status, segment, place, unfinished, bool(paid), run)

    def seen(self, id: str, *, run: int) -> None:
        """Run ``run`` has met ``id``."""
        self._db.execute(_SEEN, (_key(id), run))

    def counts(self) -> dict[str, int]:
        """Ids by status, of those that have one."""
        ask = "SELECT status, count(*) FROM ids WHERE status IS NOT NULL GROUP BY status"
        return dict(self._db.execute(ask))

    def unfinished(self) -> tuple[int, int]:
        """Calls that began and have no result: in all, and of ids that have a result of another call."""
        ask = "SELECT total(unfinished), total(CASE WHEN status IS NULL THEN 0 ELSE unfinished END) FROM ids"
        all_of_them, repeated = self._db.execute(ask).fetchone()
        return int(all_of_them), int(repeated)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def _key(id: str) -> bytes:
    return blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
