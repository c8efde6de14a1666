"""The files of a ``Journal``: whole lines read by their places, lines added, and who was there first."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from aivideoapi_batch._journal_store import JournalError
from aivideoapi_batch._manifest import Manifest
from aivideoapi_batch._results import Status
from aivideoapi_core.adapter_kit import Entry

_TICK_NS: Final = 100_000_000
"""More than a tick of the clock by which file systems note changes (4 to 20 ms), in nanoseconds."""


class OwnFile:
    """The file of one process in ``folder``, made for it. Raises ``JournalError``."""

    def __init__(self, folder: Path, *, fsync: bool) -> None:
        name = f"journal-{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
        self.path = folder / name
        self._fsync = fsync
        self._written = 0
        self._broken = False
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            raise _unwritten(folder, error) from error

    def add(self, row: bytes) -> int:
        """Add a line of JSON; its place."""
        line = row + b"\n"
        if self._broken:  # the line before has no end: give it one
            line = b"\n" + line
        place = self._written + (line[:1] == b"\n")
        self._broken = True
        rest = memoryview(line)
        try:
            while rest:
                count = os.write(self._file, rest)
                self._written += count
                rest = rest[count:]
            self._broken = False
            if self._fsync:
                os.fsync(self._file)
        except OSError as error:
            raise _unwritten(self.path.parent, error) from error
        return place

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)


class _Lines:
    """Files of lines as a place for entries: each writes its line by itself."""

    def write(self, entries: Sequence[Entry]) -> None:
        """See ``Place``."""
        for entry in entries:
            entry.done(entry.put(None))

    write_at_once = write


LINES: Final = _Lines()


def _unwritten(folder: Path, error: OSError) -> JournalError:
    return JournalError(f"the journal in {folder} cannot be written ({error})")


def lines_of(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Whole lines from ``start`` with their places; a last one without its end is none."""
    place = start
    file.seek(start)
    for line in file:
        if not line.endswith(b"\n"):
            return
        yield place, line
        place += len(line)


def parsed(line: bytes) -> dict[str, Any]:
    """A line as an object; an empty one for what is none (the rest of a write that failed)."""
    try:
        row = json.loads(line)
        if isinstance(row, dict) and ("status" not in row or (row["status"] in _STATUSES and row["id"])):
            return row
    except (ValueError, KeyError):
        pass
    return {}


_STATUSES: Final = frozenset(status.value for status in Status)


def keep(path: Path, manifest: Manifest) -> None:
    """Write ``manifest`` if there is none; else check that it is of the same job."""
    if not path.exists():
        whole = path.with_name(f".{path.name}-{os.getpid()}-{os.urandom(4).hex()}")
        whole.write_text(manifest.to_json(), encoding="utf-8")
        # A link appears whole or not at all, and never replaces what another process has put there.
        with contextlib.suppress(FileExistsError):
            os.link(whole, path)
        whole.unlink()
    manifest.check(path.read_bytes(), place=str(path))


def changed_at(folder: Path) -> int:
    """When files were last made in ``folder``, in nanoseconds; unlike any other answer while that is too fresh to tell."""
    now_ns = time.time_ns()
    changed_ns = folder.stat().st_mtime_ns if folder.is_dir() else 0
    # Two files of one tick of the system's clock leave the same time behind.
    return changed_ns if now_ns - changed_ns > _TICK_NS else -now_ns
