"""The sums of a ledger in SQL, exact to the microcredit.

The rule is that of ``CallRecord.charged``: the reported figure, else the computed one. Reported figures
are decimal texts. Those of up to six places are whole microcredits, and SQLite adds them up as
integers; any other row (an exponent, a seventh place) is read and added up in Python.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, tzinfo
from typing import Any, Final

from aivideoapi_core._metering.record import NOT_BILLED, CallRecord, Outcome
from aivideoapi_core._metering.totals import Sums
from aivideoapi_core._stores.ledger_query import TIMES, Key, Selection, add_up, span_name
from aivideoapi_core._stores.ledger_tables import COUNTS

# Rounded: 0.29 * 1000000 is not a whole number in binary. A figure is at most 10**15 microcredits, where a
# binary fraction is still off by less than a half.
_REPORTED: Final = "CAST(ROUND(credits_reported * 1000000.0) AS INTEGER)"
_ODD: Final = (
    "(credits_reported IS NOT NULL AND (credits_reported GLOB '*[^0-9.]*' "
    "OR length(credits_reported) - instr(credits_reported, '.') > 6))"
)
_TERMS: Final = (
    "count(*)",
    "count(coalesce(credits_reported, credits_micro))",
    f"sum(CASE WHEN credits_reported IS NULL THEN credits_micro ELSE {_REPORTED} END)",
    "count(credits_reported)",
    f"sum({_REPORTED})",
    "count(credits_micro)",
    "sum(credits_micro)",
    "count(input_tokens)",
    *(f"sum({count}_tokens)" for count in COUNTS),
)
_SUMS: Final = ", ".join(_TERMS)
_NAMED: Final = ", ".join(f"{term} AS sum_{place}" for place, term in enumerate(_TERMS))
_SUMS_OF_SUMS: Final = ", ".join(f"sum(sum_{place})" for place in range(len(_TERMS)))
_SPAN_S: Final = 900
"""Offsets of time zones are whole quarters of an hour: rows of one quarter are in one local hour and day."""
_SAMPLE_ROWS: Final = 4_096
_FEW: Final = 4
"""How many rows a group has to stand for, on average, if a table of groups is to be worth its making."""
_UTC_SPANS_S: Final = {"hour": 3_600, "day": 86_400, "month": 86_400}


def where(selection: Selection) -> tuple[str, list[Any]]:
    """The condition for ``selection`` and the values that are bound to it."""
    terms, values = ["1"], []
    for term, value in (
        ("started_at >= ?", selection.since),
        ("started_at < ?", selection.until),
        *((f'"{name}" = ?', value) for name, value in selection.facts.items()),
        ("EXISTS (SELECT 1 FROM json_each(ledger.tags) WHERE value = ?)", selection.tag),
    ):
        if value is not None:
            terms.append(term)
            values.append(value)
    return " AND ".join(terms), values


def charged(db: sqlite3.Connection, selection: Selection) -> Sums | None:
    """What was charged for all rows, and nothing else; ``None`` if SQLite cannot add up some row.

    Half of the work of ``grouped_by_each``: most figures are left alone, and rows need not be sorted into groups.
    """
    condition, values = where(selection)
    known = f"FILTER (WHERE outcome IN ({_listed(_OUTCOMES - NOT_BILLED - {Outcome.UNKNOWN})}))"
    count, *sums = _TERMS[:3]
    terms = ", ".join([count, *(f"{term} {known}" for term in sums), f"max({_ODD})"])
    calls, charging, micro, is_odd = db.execute(
        f"SELECT {terms} FROM ledger WHERE {condition} AND outcome NOT IN ({_listed(NOT_BILLED)})",  # noqa: S608 - our own names, values are bound
        values,
    ).fetchone()
    if is_odd:
        return None
    return Sums.of_rows(
        Outcome.OK,
        rows=calls,
        charged=(charging, micro or 0),
        reported=(0, 0),
        computed=(0, 0),
        counted=0,
        tokens=[0] * 5,
        thinking=None,
    )


def grouped_by_each(
    db: sqlite3.Connection,
    selection: Selection,
    groupings: Sequence[Sequence[str]],
    zone: tzinfo | None,
    *,
    read: str,
    as_record: Callable[[Sequence[Any]], CallRecord],
) -> list[dict[tuple[Key, ...], Sums]]:
    """The sums of each group, as ``ledger_query.add_up`` gives them, for each of ``groupings``, of the same rows.

    They are read once for all groupings without a time: into a table of the sums by all of their names, which
    each then adds up; unless nearly every row has names of its own. ``read`` selects what ``as_record`` takes.
    """
    condition, values = where(selection)
    db.execute("BEGIN")  # no row comes in between
    try:
        odd = [*map(as_record, db.execute(f"{read} FROM ledger WHERE {condition} AND {_ODD}", values))]
        if odd:
            condition = f"{condition} AND NOT {_ODD}"
        timeless = [by for by in groupings if not TIMES.keys() & set(by)]
        columns = [{_column(name, {}) for name in by} for by in timeless]
        names = set[str]().union(*columns)
        keys = ", ".join(["outcome", *sorted(names)])
        shared = len(timeless) > 1 and (names in columns or _repeats(db, keys, condition, values))
        if shared:
            db.execute(
                f"CREATE TEMP TABLE sums_by_names AS SELECT {keys}, {_NAMED} FROM ledger WHERE {condition} GROUP BY {keys}",  # noqa: S608 - our own columns, values are bound
                values,
            )
        found = []
        for by in groupings:
            if shared and by in timeless:
                sums = _grouped(db, by, zone, f"{_SUMS_OF_SUMS} FROM sums_by_names", ())
            else:
                sums = _grouped(db, by, zone, f"{_SUMS} FROM ledger WHERE {condition}", values)
            for key, more in add_up(odd, by, zone).items():
                sums.setdefault(key, Sums()).add_sums(more)
            found.append(sums)
        return found
    finally:
        db.execute("ROLLBACK")  # the table goes with it


def _repeats(db: sqlite3.Connection, keys: str, condition: str, values: Sequence[Any]) -> bool:
    """Whether rows share their ``keys`` often enough that sums by them are far fewer than rows: of the newest ones."""
    some = f"SELECT {keys} FROM ledger WHERE {condition} ORDER BY id DESC LIMIT {_SAMPLE_ROWS}"  # noqa: S608 - our own columns, values are bound
    rows, groups = db.execute(
        f"SELECT sum(rows), count(*) FROM (SELECT count(*) AS rows FROM ({some}) GROUP BY {keys})",  # noqa: S608 - as above
        values,
    ).fetchone()
    return bool(groups * _FEW <= (rows or 0))


def _grouped(
    db: sqlite3.Connection, by: Sequence[str], zone: tzinfo | None, sums_from: str, values: Sequence[Any]
) -> dict[tuple[Key, ...], Sums]:
    spans = {name: _UTC_SPANS_S[name] if zone is UTC else _SPAN_S for name in by if name in TIMES}
    columns = [_column(name, spans) for name in by]
    listed = ", ".join(["outcome", *columns])
    found = db.execute(f"SELECT {listed}, {sums_from} GROUP BY {listed}", values)
    groups: dict[tuple[Key, ...], Sums] = {}
    names: dict[tuple[str, Any], list[Key]] = {}
    width = len(columns)
    for outcome, *row in found:
        sums = _sums_of(outcome, row[width:])
        keys = _keys(by, row[:width], spans, zone, names)
        for key in keys:
            if key in groups:
                groups[key].add_sums(sums)
            else:  # most keys come once: the sums as they are, but no two groups may share them
                groups[key] = sums if len(keys) == 1 else sums.copy()
    return groups


def _column(name: str, spans: dict[str, int]) -> str:
    return (
        f"CAST(started_at AS INTEGER) / {spans[name]}"
        if name in spans
        else f'"{name if name != "tag" else "tags"}"'
    )


def _sums_of(outcome: str, row: Sequence[Any]) -> Sums:
    rows, known, charged, reporting, reported, computing, computed, counted, *tokens = row
    *counts, thinking = tokens
    return Sums.of_rows(
        Outcome(outcome) if outcome in _OUTCOMES else Outcome.UNKNOWN,
        rows=rows,
        charged=(known, charged or 0),
        reported=(reporting, reported or 0),
        computed=(computing, computed or 0),
        counted=counted,
        tokens=[count or 0 for count in counts],
        thinking=thinking,
    )


_OUTCOMES: Final = frozenset(outcome.value for outcome in Outcome)


def _listed(outcomes: Iterable[str]) -> str:
    return ", ".join(f"'{outcome}'" for outcome in sorted(outcomes))


def _keys(
    by: Sequence[str],
    values: Iterable[Any],
    spans: dict[str, int],
    zone: tzinfo | None,
    names: dict[tuple[str, Any], list[Key]],
) -> list[tuple[Key, ...]]:
    """The groups of a row of sums; ``names`` remembers what a value is called."""
    keys: list[tuple[Key, ...]] = [()]
    for name, value in zip(by, values, strict=True):
        known = names.get((name, value))
        if known is None:
            known = names[name, value] = _names_of(name, value, spans, zone)
        keys = [(*key, one) for key in keys for one in known]
    return keys


def _names_of(name: str, value: Any, spans: dict[str, int], zone: tzinfo | None) -> list[Key]:
    if name == "tag":
        return list(dict.fromkeys(json.loads(value)))
    if name in spans:
        return [span_name(name, value * spans[name], zone)]
    if name == "outcome" and value not in _OUTCOMES:
        return [Outcome.UNKNOWN.value]
    return [value]
