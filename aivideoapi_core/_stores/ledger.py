"""``SpendLedger``: one row for every call, kept for people to look at. Rows are only ever added.

A row has the facts of a ``CallRecord``: time, model, tokens, credits reported and computed, request
id, latency, tags, and for whom it was. Never content, never the key.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from typing import IO, Any, Final, Self

from aivideoapi_core._constructor_errors import with_known_arguments, with_value_errors
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.one_write import Entry, Place
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._metering.summary import CreditsSummary, totals_of
from aivideoapi_core._metering.totals import CreditsTotals, Sums
from aivideoapi_core._stores.ledger_query import (
    TAGS,
    Key,
    Selection,
    When,
    add_up,
    groupings,
    select,
    zone_of,
)
from aivideoapi_core._stores.ledger_store import LedgerStore
from aivideoapi_core._stores.ledger_waiting import WaitingRows
from aivideoapi_core._stores.target import ledger_store_of


class SpendLedger:
    """An append-only book of calls, shared by as many models of both frameworks as hold it.

    ``target``: ``None`` (this process), the path of a SQLite file (the processes of one machine) or a
    Redis URL or client (many machines; ``name`` says which ledger). Read it with ``records()`` or
    ``summary``, or with ``aivideoapi spend --ledger FILE``. A ``with`` block closes it.
    """

    @with_value_errors
    def __init__(self, target: Any = None, *, name: str = "default") -> None:
        self._store: LedgerStore = ledger_store_of(target, name=name)
        self._waiting = WaitingRows(self._store)

    def append(self, record: CallRecord) -> None:
        """Write one row. Does not raise for a store that is away: the row is logged, and waits in this process for
        the next row, for whoever reads or closes the ledger, or for the end of the process.
        """
        if not isinstance(record, CallRecord):
            raise InvalidInputError(f"a ledger has rows of CallRecord, not of {type(record).__name__}")
        self._waiting.take(record)

    def append_at_once(self, record: CallRecord) -> bool:
        """``append`` without waiting, for an event loop; ``False`` if that cannot be, then nothing was written."""
        if not self._store.blocking:
            self.append(record)
            return True
        append = getattr(self._store, "append_at_once", None)
        if append is None or self._waiting:
            return False
        try:
            append(record)
        except Exception:  # noqa: BLE001 - busy or broken: a thread tries again, and logs
            return False
        return True

    @property
    def place(self) -> Place | None:
        """Where rows can be written together with other things; ``None`` if they cannot, or older ones wait."""
        return None if self._waiting else getattr(self._store, "place", None)

    def entry(self, record: CallRecord, *, done: Callable[[], None]) -> Entry:
        """``append`` as an entry of ``place``. ``done`` is called once it is written."""
        store: Any = self._store  # one that has a place has entries
        made: Entry = store.entry(record, done=lambda answer: done(), failed=self._waiting.failed)
        return made

    @with_known_arguments
    def records(
        self, *, since: When = None, until: When = None, tz: str | tzinfo = "UTC", **where: str | None
    ) -> Iterator[CallRecord]:
        """The rows, in the order in which they were written; those that are asked for as in ``spent``."""
        return self._selected(select(since=since, until=until, tz=tz, where=where))

    @with_known_arguments
    def sums(
        self,
        by: str | Sequence[str],
        *,
        since: When = None,
        until: When = None,
        tz: str | tzinfo = "UTC",
        **where: str | None,
    ) -> dict[Any, CreditsTotals]:
        """The sums by ``model``, ``route``, ``framework``, ``outcome``, ``agent``, ``thread``, ``user``,
        ``customer``, ``budget``, ``tag``, or ``hour``, ``day``, ``month`` of the time zone ``tz``.

        Of several (``by=("day", "agent")``) the keys are tuples. ``None`` is the key of the calls without
        one, so that the sums add up, except those by tag. The rest as in ``spent``.
        Raises ``InvalidInputError`` for a name, time or zone that there is not.
        """
        names, selection = groupings(by), select(since=since, until=until, tz=tz, where=where)
        groups = self._sums(selection, names, zone_of(tz))
        in_order = sorted(groups.items(), key=lambda group: tuple(name or "" for name in group[0]))
        return {key[0] if isinstance(by, str) else key: sums.totals() for key, sums in in_order}

    @with_known_arguments
    def spent(
        self, *, since: When = None, until: When = None, tz: str | tzinfo = "UTC", **where: str | None
    ) -> CreditsSummary:
        """The sums over some rows: what did agent ``a`` cost customer ``c`` yesterday?
        ``ledger.spent(agent="a", customer="c", since="yesterday", until="yesterday").credits``.

        ``since`` and ``until``: seconds since the epoch, a date, a time, a ``timedelta`` (so long ago), or a text (``today``, ``yesterday``,
        ``2026-11-25``, ``2026-11``, ``2026-11-25T14:00``, ``24h`` or ``7d`` ago) in the time zone ``tz`` (``UTC``,
        ``local``, ``Europe/Berlin``). A day as ``until`` is included. ``where``: ``model``, ``route``, ``framework``,
        ``outcome``, ``agent``, ``thread``, ``user``, ``customer``, ``budget`` or ``tag``.
        Raises ``InvalidInputError`` for a name, time or zone that there is not.
        """
        return self._summary(select(since=since, until=until, tz=tz, where=where))

    @with_known_arguments
    def spent_by(
        self,
        names: Sequence[str],
        *,
        since: When = None,
        until: When = None,
        tz: str | tzinfo = "UTC",
        **where: str | None,
    ) -> tuple[CreditsSummary, dict[str, dict[Key, CreditsTotals]]]:
        """``spent``, and by each of ``names`` its ``sums``: all of the same rows, for less than asking for each costs."""
        selection, zone = select(since=since, until=until, tz=tz, where=where), zone_of(tz)
        bys = [groupings(name) for name in names]
        if getattr(self._store, "sums", None) is None:
            return self._summary(selection), {
                name: _in_order(self._sums(selection, by, zone)) for name, by in zip(names, bys, strict=True)
            }
        by_tags, *found = self._sums_by_each(selection, [_BY_MODEL_AND_TAGS, *bys], zone)
        return _summary_of(by_tags), {
            name: _in_order(groups) for name, groups in zip(names, found, strict=True)
        }

    @with_known_arguments
    def export(
        self,
        target: str | os.PathLike[str] | IO[str],
        *,
        format: str | None = None,
        since: When = None,
        until: When = None,
        tz: str | tzinfo = "UTC",
        **where: str | None,
    ) -> int:
        """Write rows to a file, or what a text file was opened as; how many there were.

        ``format``: ``csv``, ``parquet`` (needs pyarrow), or ``focus``, a CSV with the columns of FOCUS and costs in
        US dollars; else by the ending: ``.csv``, ``.parquet``, ``.focus.csv``. The rest as in ``spent``. A figure that
        nobody knows is left empty. Raises ``InvalidInputError`` for another format or ending, or without pyarrow.
        """
        from aivideoapi_core._stores.ledger_export import export

        return export(self.records(since=since, until=until, tz=tz, **where), target, form=format)

    @with_known_arguments
    def rate(self, *, days: int = 7) -> Decimal | None:
        """Credits a day, over the last ``days`` times 24 hours, or since the first row if that is less long ago.

        ``None`` if nothing is known: no rows, or none with a figure. Calls of unknown cost are not in it.
        """
        if type(days) is not int or days < 1:
            raise InvalidInputError(f"days must be a whole number of at least 1, not {days!r}")
        now = time.time()
        oldest = next(self.records(), None)
        spent = self._charged(Selection(since=now - days * 86_400.0)).totals()
        if oldest is None or spent.credits is None:
            return None
        span_days = min(float(days), max(1.0, (now - oldest.started_at) / 86_400.0))
        return spent.credits / Decimal(str(span_days))

    @property
    def summary(self) -> CreditsSummary:
        """The sums over all rows."""
        return self._summary(Selection())

    def _selected(self, selection: Selection) -> Iterator[CallRecord]:
        self._catch_up()
        selected = getattr(self._store, "selected", None)
        if selected is not None:
            found: Iterator[CallRecord] = selected(selection)
            return found
        return filter(selection.matches, self._store.records())

    def _sums(
        self, selection: Selection, by: Sequence[str], zone: tzinfo | None
    ) -> dict[tuple[Key, ...], Sums]:
        sums = getattr(self._store, "sums", None)
        if sums is None:
            return add_up(self._selected(selection), by, zone)
        self._catch_up()
        groups: dict[tuple[Key, ...], Sums] = sums(selection, by, zone)
        return groups

    def _charged(self, selection: Selection) -> Sums:
        """All rows as one, with what was charged; the other figures may be missing."""
        charged = getattr(self._store, "charged", None)
        sums: Sums | None = None if charged is None else charged(selection)
        return sums or self._sums(selection, (), None).get((), Sums())

    def _summary(self, selection: Selection) -> CreditsSummary:
        if getattr(self._store, "sums", None) is None:
            return CreditsSummary.of(self._selected(selection))
        return _summary_of(self._sums(selection, _BY_MODEL_AND_TAGS, None))

    def _sums_by_each(
        self, selection: Selection, bys: Sequence[Sequence[str]], zone: tzinfo | None
    ) -> list[dict[tuple[Key, ...], Sums]]:
        by_each = getattr(self._store, "sums_by_each", None)
        if by_each is None:
            return [self._sums(selection, by, zone) for by in bys]
        self._catch_up()
        found: list[dict[tuple[Key, ...], Sums]] = by_each(selection, bys, zone)
        return found

    def _catch_up(self) -> None:
        """Write what dropped calls and a store that was away have left."""
        DROPPED.do()
        self._waiting.write()

    def close(self) -> None:
        """Write the rows that wait, then let go of files and connections; a later call opens them again."""
        self._waiting.write()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        return SpendLedger, (self._store,)

    def __copy__(self) -> SpendLedger:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SpendLedger:
        # A copied model writes into the same book.
        return self


_BY_MODEL_AND_TAGS: Final = ("model", TAGS)
"""What a summary is made of."""


def _summary_of(groups: Mapping[tuple[Key, ...], Sums]) -> CreditsSummary:
    """Of the groups by ``_BY_MODEL_AND_TAGS``."""
    everything = Sums()
    models: dict[str, Sums] = {}
    sets: dict[Key, Sums] = {}
    tags: dict[str, Sums] = {}
    for (model, tagged), sums in groups.items():
        models.setdefault(str(model), Sums()).add_sums(sums)
        sets.setdefault(tagged, Sums()).add_sums(sums)
    for sums in models.values():
        everything.add_sums(sums)
    for tagged, sums in sets.items():  # few, where there are many groups
        for tag in dict.fromkeys(json.loads(tagged or "[]")):
            tags.setdefault(tag, Sums()).add_sums(sums)
    return CreditsSummary(**everything.facts(), by_model=totals_of(models), by_tag=totals_of(tags))


def _in_order(groups: Mapping[tuple[Key, ...], Sums]) -> dict[Key, CreditsTotals]:
    """Of one name each; those without it first."""
    return {key: groups[key,].totals() for (key,) in sorted(groups, key=lambda group: group[0] or "")}
