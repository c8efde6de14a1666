"""Budget state in a SQLite file, for the processes of one machine."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aivideoapi_core._budget_state import BudgetState, Clock, Standing, Terms

BUSY_S: Final = 30.0
"""How long one transaction waits for the others."""


class SqliteStore:
    """State of any number of budgets, by name, in one SQLite file.

    Each change is one write transaction, so that processes take turns; the row of a budget is
    readable JSON. Not for network file systems, whose locks cannot be trusted: use Redis there.
    """

    blocking = True
    shared = True

    def __init__(
        self, path: str | os.PathLike[str], *, name: str = "default", clock: Clock = time.time
    ) -> None:
        self.path = Path(path)
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._open: tuple[int, sqlite3.Connection] | None = None

    def reserve(self, terms: Terms, *, id: str, owner: str, micro: int) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self._change(lambda state, now: state.reserve(terms, id=id, owner=owner, micro=micro, now=now))

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self._change(
            lambda state, now: state.settle(terms, id=id, micro=micro, unknown=unknown, now=now)
        )

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """See ``BudgetStore``."""
        return self._change(lambda state, now: state.renew(terms, owner=owner, now=now))

    def standing(self, terms: Terms) -> Standing:
        """See ``BudgetStore``."""
        return self._change(lambda state, now: state.swept(terms, now=now))

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            own, self._open = self._open, None
            if own is not None and own[0] == os.getpid():
                own[1].close()

    def __reduce__(self) -> Any:
        return _sqlite_store, (self.path, self.name)

    def _change(self, rule: Callable[[BudgetState, float], Standing]) -> Standing:
        # Threads of one process queue here rather than in SQLite, whose waiting is by polling.
        with self._lock:
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                row = db.execute("SELECT state FROM budgets WHERE name = ?", (self.name,)).fetchone()
                state = BudgetState() if row is None else BudgetState.from_json(json.loads(row[0]))
                standing = rule(state, self._clock())
                db.execute(
                    "INSERT INTO budgets (name, state) VALUES (?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET state = excluded.state",
                    (self.name, json.dumps(state.to_json())),
                )
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
            return standing

    def _connection(self) -> sqlite3.Connection:
        if self._open is None or self._open[0] != os.getpid():  # a connection does not survive a fork
            self._open = os.getpid(), open_database(self.path, _SCHEMA)
        return self._open[1]


_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID"
)


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """A connection in autocommit mode, in write-ahead mode, with ``schema`` in place."""
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
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


def _sqlite_store(path: Path, name: str) -> SqliteStore:
    return SqliteStore(path, name=name)
