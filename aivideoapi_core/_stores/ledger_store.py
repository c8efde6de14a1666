"""``LedgerStore``: what a place for the rows of a ledger has to offer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from aivideoapi_core._metering.record import CallRecord


class LedgerStore(Protocol):
    """Where rows go. ``blocking``: whether writing can wait (a file, a network).

    A store may also have ``append_at_once(record)``, which raises instead of waiting; ``selected(selection)``,
    the rows of a ``Selection``; ``sums(selection, by, zone)``, which answers as ``add_up`` over them does;
    ``charged(selection)``, one sum over all of them that need not have more than what was charged (``None``: ask for
    the ``sums``); and ``place`` with ``entry(record, done=..., failed=...)``, for rows that are written together with
    other things of one place.
    """

    blocking: bool

    def append(self, record: CallRecord) -> None:
        """Write one row, whole or not at all; of a ``call_id`` that was just written, none."""

    def records(self) -> Iterator[CallRecord]:
        """All rows, in the order in which they were written."""

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
