"""One SQLite file for budgets or ledgers: its connections, and who waits for whom.

There are two connections. One waits for its turn and belongs to threads. The other never waits, so
that asynchronous callers can use it on the event loop: handing twenty microseconds of work to a
thread costs ten times as much as the work.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._stores.sqlite_ghosts import GHOSTS

_T = TypeVar("_T")
_P = ParamSpec("_P")

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""The beginning of one. A drive of Windows has one letter."""

BUSY_S: Final = 30.0
"""How long one transaction waits for the others."""
FORMAT: Final = 2
"""``PRAGMA user_version`` of files as this release writes them. 0: before there was one. A newer release's
file is used all the same: columns are named, and what is not known is left alone."""
_TIDY_EVERY: Final = 256
"""After so many changes made at once, the next is a thread's, which also moves the log into the file."""
_inherited: Final[list[sqlite3.Connection]] = []
"""Of a parent process that was busy with them for long; closing one here disturbs the parent."""


_GHOSTS: Final = GHOSTS
"""Held here, so that the locks of SQLite itself are free in a forked child."""


_Inodes: TypeAlias = tuple[int | None, int | None]
Prepare: TypeAlias = Callable[[sqlite3.Connection], None]
"""Makes the tables that somebody needs, where they are not there."""


class WouldWaitError(Exception):
    """The file is busy, or is not open yet: ask again from a thread."""


class Database:
    """The file at ``path``. Safe to share between threads; forks open it anew. A ``Place`` for entries.

    Raises ``InvalidInputError`` where the folder does not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if found := _URL.match(os.fspath(path)):  # what follows may hold a password
            raise InvalidInputError(
                f"{found[0]!r}... is no store: name the file of a SQLite database, or a 'redis://' URL"
            )
        # Told here: when a row is to be written it is too late, the call has been paid for.
        if not self.path.parent.is_dir():
            raise InvalidInputError(
                f"there is no folder {str(self.path.parent)!r}: make it, or name another file"
            )
        if not _may_be_database(self.path):
            raise InvalidInputError(f"{str(self.path)!r} is no SQLite database: name another file")
        self._prepared: set[Prepare] = set()
        self._lock = threading.Lock()
        self._quick_lock = threading.Lock()
        self._patient: sqlite3.Connection | None = None
        self._quick: sqlite3.Connection | None = None
        # What others see by the names of the file and of its log.
        self._names = (os.fspath(self.path), f"{os.fspath(self.path)}-wal")
        self._seen: _Inodes = (None, None)
        self._untidied = 0
        self._timeouts = 0
        # Of a database that is dropped without close(): Python 3.13 warns of every connection left open.
        self._all: list[sqlite3.Connection] = []
        weakref.finalize(self, _CLOSER.close, self._all)
        renew_in_child(self, Database._begin_in_child, guarded=True)

    def fork_guards(self) -> tuple[threading.Lock, threading.Lock]:
        """Locks that nobody holds while a process is forked: SQLite has some of its own inside of them."""
        return self._lock, self._quick_lock

    def let_go_before_fork(self) -> None:
        """Close the connections; the next call opens them again.

        A child that inherited one would have SQLite's table of the file's locks and its map of the log with it, also in
        connections of its own: it believes in locks that only the parent has, and once the parent has closed the file
        the child and the others write over each other (up to 1,116 of 5,011 bookings were lost).
        """
        self._let_go()

    def _begin_in_child(self) -> None:
        self._lock, self._quick_lock = threading.Lock(), threading.Lock()
        self._patient = self._quick = None
        self._prepared = set()
        _inherited.extend(self._all)
        self._all.clear()

    def run(self, work: Callable[[sqlite3.Connection], _T], prepare: Prepare | None = None) -> _T:
        """What ``work`` makes of the connection, which ``prepare`` made ready; waits up to ``BUSY_S`` for others."""
        timeouts = self._timeouts
        # Threads of one process queue here rather than in SQLite, whose waiting is by polling.
        with self._lock:
            if (
                timeouts != self._timeouts
            ):  # who stood behind one that waited in vain need not wait as long again
                raise sqlite3.OperationalError("database is locked")
            try:
                return work(self._opened(prepare))
            except sqlite3.DatabaseError as error:
                if "locked" in str(error):
                    self._timeouts += 1
                else:
                    # A connection can stay broken when the file is whole again: one that was opened while the file was
                    # read-only never writes.
                    with self._quick_lock:
                        self._let_go()
                raise

    def _opened(self, prepare: Prepare | None) -> sqlite3.Connection:
        """The connection that waits; its lock is held."""
        # The end of the process closes them all, before the last bookings are made.
        if self._patient is not None and (not self._all or self._seen != self._inodes()):
            # Removed or replaced, the file or its log: what others see are those of these names.
            with self._quick_lock:
                self._let_go()
        if self._patient is None:
            self._patient = _opened(self.path)
            self._all.append(self._patient)
            self._seen = self._inodes()
        db = self._patient
        if prepare is not None and prepare not in self._prepared:
            _patiently(lambda: prepare(db))
            self._prepared.add(prepare)
            self._seen = self._inodes()  # a new file has its log from the first write on
        self._untidied = 0
        return db

    def run_at_once(self, work: Callable[[sqlite3.Connection], _T], prepare: Prepare | None = None) -> _T:
        """The same without ever waiting. Raises ``WouldWaitError`` if it would have to."""
        if self._untidied >= _TIDY_EVERY or self._patient is None or self._seen != self._inodes():
            raise WouldWaitError
        if prepare is not None and prepare not in self._prepared:
            raise WouldWaitError
        if not self._quick_lock.acquire(blocking=False):
            raise WouldWaitError
        try:
            if self._quick is None:
                self._quick = _impatient(self.path)
                self._all.append(self._quick)
            self._untidied += 1
            return work(self._quick)
        except sqlite3.OperationalError as error:
            raise WouldWaitError from error
        finally:
            self._quick_lock.release()

    def write(self, entries: Sequence[Entry]) -> None:
        """See ``Place``: one transaction."""
        _done(entries, self.run(lambda db: in_transaction(db, _put, entries)))

    def write_at_once(self, entries: Sequence[Entry]) -> None:
        """See ``Place``. Raises ``WouldWaitError``."""
        _done(entries, self.run_at_once(lambda db: in_transaction(db, _put, entries)))

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock, self._quick_lock:
            self._let_go()

    def _inodes(self) -> _Inodes:
        file, log = self._names
        return _inode_of(file), _inode_of(log)

    def _let_go(self) -> None:
        _close_all(self._all)
        self._patient = self._quick = None
        self._prepared = set()


_databases: Final[WeakValueDictionary[str, Database]] = WeakValueDictionary()


def database_at(path: str | os.PathLike[str]) -> Database:
    """The file, opened once for all budgets and ledgers of this process that are in it: one for each user costs no
    connection, and a call's figure and its row are one write.
    """
    place = os.path.abspath(path)
    return _databases.get(place) or _databases.setdefault(place, Database(path))


def _put(db: sqlite3.Connection, entries: Sequence[Entry]) -> list[Any]:
    return [entry.put(db) for entry in entries]


def _done(entries: Sequence[Entry], answers: Sequence[Any]) -> None:
    for entry, answer in zip(entries, answers, strict=True):
        entry.done(answer)


def in_transaction(
    db: sqlite3.Connection,
    work: Callable[Concatenate[sqlite3.Connection, _P], _T],
    *facts: _P.args,
    **more: _P.kwargs,
) -> _T:
    """What ``work(db, ...)`` gives, in one write transaction: all that it wrote, or, if it raises, nothing."""
    try:
        db.execute("BEGIN IMMEDIATE")  # inside: an interruption can come right behind it
        result = work(db, *facts, **more)
        db.execute("COMMIT")
    except BaseException:
        if (
            db.in_transaction
        ):  # else it never began, or a full disk ended it already, and that is what is to be told
            db.execute("ROLLBACK")
        raise
    return result


class _Closer:
    """Closes what dropped databases have left open, in finalizers; never while a process is forked."""

    def __init__(self) -> None:
        self._begin()
        renew_in_child(self, _Closer._begin, guarded=True)

    def _begin(self) -> None:
        self._lock = threading.Lock()

    def fork_guards(self) -> tuple[threading.Lock]:
        """The lock inside of which there are SQLite's own."""
        return (self._lock,)

    def close(self, connections: list[sqlite3.Connection], *, waits: bool = False) -> None:
        """Close ``connections``, or, as a finalizer waits for nobody, leave it to the next call."""
        if not self._lock.acquire(blocking=waits):
            DROPPED.put(functools.partial(self.close, connections, waits=True))
            return
        try:
            _close_all(connections)
        finally:
            self._lock.release()


_CLOSER: Final = _Closer()


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        with contextlib.suppress(sqlite3.Error):
            connections.pop().close()


def _inode_of(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def mark_format(db: sqlite3.Connection) -> None:
    """Write down which format the file has; a newer one's stays."""
    if db.execute("PRAGMA user_version").fetchone()[0] < FORMAT:
        db.execute(f"PRAGMA user_version = {FORMAT}")


def _opened(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, in write-ahead mode."""
    db = _connected(path, BUSY_S)

    def prepare() -> None:
        # Of a new file. A call writes a few hundred bytes in each of eight places, and every page of them is logged whole.
        db.execute("PRAGMA page_size = 2048")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 2000")

    try:
        _patiently(prepare)
    except BaseException:
        db.close()
        raise
    return db


def _patiently(prepare: Callable[[], None]) -> None:
    """Do what several processes that make a file together take turns at.

    Switching a new file to write-ahead mode needs it alone, and that wait is not covered by the timeout.
    """
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            prepare()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _impatient(path: Path) -> sqlite3.Connection:
    """A connection to a file that is open already; it never waits, neither for others nor for the disk."""
    db = _connected(path, 0.0)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    return db


def _connected(path: Path, busy_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)


def _may_be_database(path: Path) -> bool:
    """Whether ``path`` is free, empty, or a database; what cannot be read is SQLite's to tell.

    SQLite is asked: closing the file without it lets go of all locks that this process has on it (POSIX).
    """
    if path.is_dir():
        return False
    try:
        if not path.stat().st_size:
            return True
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=0, uri=True)
        ) as db:
            db.execute("PRAGMA schema_version")
    except (OSError, sqlite3.OperationalError):
        return True
    except sqlite3.DatabaseError:
        return False
    return True
