"""A summary as a table of text, for people."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from aivideoapi_core._metering.totals import CreditsTotals

_UNKNOWN: Final = "unknown"


def _shown(amount: Decimal | None, known: int, calls: int, *, places: int) -> str:
    """An amount for people: its coverage is said when some calls are missing from it."""
    if amount is None:
        return _UNKNOWN
    text = f"{amount:,.{places}f}"
    return text if known == calls else f"{text} ({known} of {calls})"


def _cells(name: str, totals: CreditsTotals) -> tuple[str, ...]:
    computed = None if totals.credits_micro is None else Decimal(totals.credits_micro).scaleb(-6)
    tokens = totals.tokens
    counts = (tokens.input, tokens.output, tokens.cache_read, tokens.cache_write)
    return (
        name,
        f"{totals.calls:,}",
        *(f"{count:,}" if totals.has_counts else _UNKNOWN for count in counts),
        _shown(totals.credits_reported, totals.reported_calls, totals.calls, places=2),
        _shown(computed, totals.computed_calls, totals.calls, places=6),
        f"{totals.unknown:,}",
        _shown(totals.usd, totals.calls - totals.unknown, totals.calls, places=6),
    )


def table(rows: Iterable[tuple[str, CreditsTotals]]) -> str:
    """The rows with a head; a line above the last, which is the sum."""
    header = (
        "",
        "calls",
        "input",
        "output",
        "cache read",
        "cache write",
        "reported",
        "computed",
        "unknown",
        "USD",
    )
    lines = [header, *(_cells(name, totals) for name, totals in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = []
    for number, line in enumerate(lines):
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        text.append("  ".join(cells).rstrip())
        if number in (0, len(lines) - 2):
            text.append("─" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(text)
