"""Sums of a ledger for people and programs: a headline and tables with bars, or CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from aivideoapi_cli._terminal import printable

if TYPE_CHECKING:
    from rich.table import Table

    from aivideoapi_core import CreditsTotals

_BAR_CELLS: Final = 24
_LEAST_BAR: Final = 8
_GAP: Final = 2
"""Blanks between two columns."""
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_IN_TIME: Final = frozenset({"hour", "day", "month"})
"""Groups that stay in their own order; others are sorted by what they cost."""
UNKNOWN: Final = "unknown"
NOBODY: Final = "(none)"
"""The calls that have no agent, no user ..."""


def headline(totals: CreditsTotals) -> str:
    """Calls, credits and dollars in one line, with what is missing in them."""
    parts = [f"{totals.calls:,} {'call' if totals.calls == 1 else 'calls'}"]
    parts.append(
        f"{amount(totals.credits, places=2)} credits"
        + ("" if totals.usd is None else f" (${totals.usd:,.4f})")
    )
    for count, what in (
        (totals.unknown, "of unknown cost"),
        (totals.failed, "failed and not billed"),
        (totals.refused, "refused by a budget"),
        (totals.cache_hits, "from a cache"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    return ", ".join(parts)


def facts(totals: CreditsTotals, days: Iterable[str], *, tz: str) -> str:
    """The period, and the two figures that the charged one is made of."""
    first, *rest = sorted(days)
    computed = None if totals.credits_micro is None else Decimal(totals.credits_micro).scaleb(-6)
    parts = [f"{first} to {rest[-1]} ({tz})" if rest else f"{first} ({tz})"]
    for name, figure, places, known in (
        ("reported by the platform", totals.credits_reported, 2, totals.reported_calls),
        ("computed from prices", computed, 4, totals.computed_calls),
    ):
        parts.append(f"{name} {amount(figure, places=places)} ({known:,} of {totals.calls:,})")
    return ", ".join(parts)


def table(title: str, groups: Mapping[str, CreditsTotals], *, width: int, plain: bool) -> Table:
    """Rows with bars, made to fit: first counts get short, then dollars go, then names wrap. ``plain``: no rules."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = in_order(title, groups)
    longest = max(len(title), *(len(name) for name in groups))
    for short, with_usd in ((False, True), (True, True), (True, False)):
        lines = _columns(rows, short=short, with_usd=with_usd)
        used = sum(max(map(len, column)) + _GAP for column in zip(*lines, strict=True))
        room = width - used - _GAP - longest
        if room >= _LEAST_BAR:
            break
    # Figures are never cut: where a name of ten characters leaves no room for bars, there are none.
    has_bars = width - used - _GAP - 10 >= _LEAST_BAR
    cells = max(_LEAST_BAR, min(_BAR_CELLS, room)) if has_bars else 0
    shown = Table(
        box=None if plain else box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0)
    )
    shown.add_column(
        title, style="bold", overflow="fold", width=max(10, min(longest, width - used - _GAP - cells))
    )
    for name in lines[0]:
        shown.add_column(name, justify="right", no_wrap=True)
    if has_bars:
        shown.add_column("", no_wrap=True, width=cells)
    most = max((totals.credits or Decimal(0) for totals in groups.values()), default=Decimal(0))
    for (name, totals), line in zip(rows, lines[1:], strict=True):
        share = (totals.credits or Decimal(0)) / most if most else Decimal(0)
        bars = [Text(bar(share, cells=cells), style="cyan")] if has_bars else []
        shown.add_row(Text(name), *line, *bars)
    return shown


def write_csv(by: str, groups: Mapping[str, CreditsTotals]) -> None:
    """A row for each group on stdout; an amount that is not known is an empty field."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(
        (by, "calls", "unknown", "failed", "refused", "cache_hits", "input_tokens", "output_tokens",
         "cache_read_tokens", "cache_write_tokens", "credits", "usd")
    )  # fmt: skip
    for name, totals in in_order(by, groups):
        tokens = totals.tokens
        counts = (tokens.input, tokens.output, tokens.cache_read, tokens.cache_write)
        lines.writerow(
            (
                _cell(name),
                totals.calls,
                totals.unknown,
                totals.failed,
                totals.refused,
                totals.cache_hits,
                *(counts if totals.has_counts else ("",) * len(counts)),
                "" if totals.credits is None else f"{totals.credits:f}",
                "" if totals.usd is None else f"{totals.usd:f}",
            )
        )


def in_order(by: str, groups: Mapping[str, CreditsTotals]) -> list[tuple[str, CreditsTotals]]:
    """Times as they come, all else by cost."""
    order: Callable[[tuple[str, CreditsTotals]], tuple[Decimal, str]] = lambda row: (  # noqa: E731 - two keys that sort
        Decimal(0) if by in _IN_TIME else -(row[1].credits or Decimal(0)),
        row[0],
    )
    return sorted(groups.items(), key=order)


def bar(share: Decimal, *, cells: int = _BAR_CELLS) -> str:
    """``share`` of ``cells`` as blocks, to an eighth of a cell; anything above 0 shows."""
    eighths = int(share * cells * 8 + Decimal("0.5"))
    if share > 0:
        eighths = max(1, eighths)
    full, part = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[part] if part else "")


def amount(figure: Decimal | None, *, places: int) -> str:
    """A figure with ``places`` decimals, or the word for one that nobody knows."""
    return UNKNOWN if figure is None else f"{figure:,.{places}f}"


def _columns(
    rows: Sequence[tuple[str, CreditsTotals]], *, short: bool, with_usd: bool
) -> list[tuple[str, ...]]:
    """The header and the figures of each row, without names and bars."""
    with_unknown = any(totals.unknown for _, totals in rows)
    usd, unknown = ("USD",) if with_usd else (), ("unknown",) if with_unknown else ()
    lines: list[tuple[str, ...]] = [("calls", "input", "output", "credits", *usd, *unknown)]
    for _, totals in rows:
        counts = (totals.tokens.total_input, totals.tokens.output)
        usd_text = UNKNOWN if totals.usd is None else f"{totals.usd:,.{4 if short else 6}f}"
        lines.append(
            (
                f"{totals.calls:,}",
                *(_count(count, short=short) if totals.has_counts else UNKNOWN for count in counts),
                amount(totals.credits, places=2 if short else 4),
                *((usd_text,) if with_usd else ()),
                *((f"{totals.unknown:,}" if totals.unknown else "",) if with_unknown else ()),
            )
        )
    return lines


def _cell(name: str) -> str:
    """A name that a spreadsheet takes for text, not for a formula."""
    text = printable(name)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _count(count: int, *, short: bool) -> str:
    """``131,707``, or ``132K`` where there is little room."""
    if not short or count < 10_000:
        return f"{count:,}"
    return f"{count / 1e3:,.0f}K" if count < 1_000_000 else f"{count / 1e6:,.1f}M"
