"""Claims on rows, among the processes that share a journal's folder: a lock on one byte of a file for each row.

The system lets go of it when its process ends, however it ends, so that no lease has to run out. The byte stands at
a hash of the row's id; the files stay empty. There are several, for the system walks through all locks of a file to set
another. Where there are no such locks (Windows), everybody gets every row.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # asked for below

_FILES: Final = 64
"""With 20,000 calls in flight a lock costs 0.05 ms; with one file it would be several milliseconds."""
_PLACES: Final = 2**62
"""Bytes that a lock can stand at; two ids share one by chance of two in 10¹⁸, and then one of them waits for a later run."""


class Claims:
    """Of one process, by files in ``folder``. Two objects of the same process do not keep each other out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, int] = {}
        self._taken: dict[str, tuple[int, int]] = {}
        """File and byte of each row that is ours."""

    def take(self, id: str) -> bool:
        """Whether the row is ours now; false while another process has it."""
        locks: Any = fcntl
        if locks is None:
            return True
        digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=9).digest()
        file, place = self._file(digest[8] % _FILES), int.from_bytes(digest[:8]) % _PLACES
        try:
            locks.lockf(file, locks.LOCK_EX | locks.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as POSIX leaves it open
            return False
        self._taken[id] = file, place
        return True

    def give_back(self, id: str) -> None:
        """Let others have the row."""
        taken = self._taken.pop(id, None)
        if taken is not None:
            locks: Any = fcntl
            file, place = taken
            locks.lockf(file, locks.LOCK_UN, 1, place)

    def close(self) -> None:
        """Let go of all of them."""
        for file in self._files.values():
            os.close(file)
        self._files, self._taken = {}, {}

    def _file(self, number: int) -> int:
        file = self._files.get(number)
        if file is None:
            if not self._files:
                self._folder.mkdir(exist_ok=True)
            path = f"{self._folder}/{number:02}.lock"
            file = self._files[number] = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        return file
