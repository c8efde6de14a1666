"""One SQLite file for budgets or ledgers: its connections, and who waits for whom.

There are two connections. One waits for its turn and belongs to threads. The other never waits, so
that asynchronous callers can use it on the event loop: handing twenty microseconds of work to a
thread costs ten times as much as the work.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from aivideoapi_core._errors import InvalidInputError

_T = TypeVar("_T")

BUSY_S: Final = 30.0
"""How long one transaction waits for the others."""
_TIDY_EVERY: Final = 256
"""After so many changes made at once, the next is a thread's, which also moves the log into the file."""


_SQLITE_START: Final = b"SQLite format 3\0"


class WouldWaitError(Exception):
    """The file is busy, or is not open yet: ask again from a thread."""


class Database:
    """The file at ``path`` with ``schema``. Safe to share between threads; forks open it anew.

    Raises ``InvalidInputError`` where the folder does not exist.
    """

    def __init__(self, path: str | os.PathLike[str], schema: str) -> None:
        self.path = Path(path)
        # Told here: when a row is to be written it is too late, the call has been paid for.
        if not self.path.parent.is_dir():
            raise InvalidInputError(
                f"there is no folder {str(self.path.parent)!r}: make it, or name another file"
            )
        if not _may_be_database(self.path):
            raise InvalidInputError(f"{str(self.path)!r} is no SQLite database: name another file")
        self._schema = schema
        self._lock = threading.Lock()
        self._open: tuple[int, sqlite3.Connection] | None = None
        self._quick_lock = threading.Lock()
        self._quick: tuple[int, sqlite3.Connection] | None = None
        self._untidied = 0

    def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """What ``work`` makes of the connection; waits up to ``BUSY_S`` for others."""
        # Threads of one process queue here rather than in SQLite, whose waiting is by polling.
        with self._lock:
            pid = os.getpid()
            if self._open is None or self._open[0] != pid:  # a connection does not survive a fork
                self._open = pid, _opened(self.path, self._schema)
            self._untidied = 0
            return work(self._open[1])

    def run_at_once(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The same without ever waiting. Raises ``WouldWaitError`` if it would have to."""
        pid = os.getpid()
        if self._open is None or self._open[0] != pid or self._untidied >= _TIDY_EVERY:
            raise WouldWaitError
        if not self._quick_lock.acquire(blocking=False):
            raise WouldWaitError
        try:
            if self._quick is None or self._quick[0] != pid:
                self._quick = pid, _impatient(self.path)
            self._untidied += 1
            return work(self._quick[1])
        except sqlite3.OperationalError as error:
            raise WouldWaitError from error
        finally:
            self._quick_lock.release()

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock, self._quick_lock:
            for own in (self._open, self._quick):
                if own is not None and own[0] == os.getpid():
                    own[1].close()
            self._open = self._quick = None


def _opened(path: Path, schema: str) -> sqlite3.Connection:
    """A connection in autocommit mode, in write-ahead mode, with ``schema`` in place."""
    db = _connected(path, BUSY_S)
    # Switching a new file to write-ahead mode needs it alone, and that wait is not covered by
    # the timeout: several processes that make the file together have to take turns.
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(schema)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                db.close()
                raise
            time.sleep(0.01)
        else:
            return db


def _impatient(path: Path) -> sqlite3.Connection:
    """A connection to a file that is open already; it never waits, neither for others nor for the disk."""
    db = _connected(path, 0.0)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    return db


def _connected(path: Path, busy_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)


def _may_be_database(path: Path) -> bool:
    """Whether ``path`` is free, empty, or begins as a database does; what cannot be read is SQLite's to tell."""
    if path.is_dir():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE_START))
    except OSError:
        return True
    return start in (b"", _SQLITE_START)
