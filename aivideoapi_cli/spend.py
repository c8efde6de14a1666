"""``aivideoapi spend``: what a ledger says, by model, day and tag; in the terminal or as a page with plots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aivideoapi_cli._terminal import CommandError, output, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from aivideoapi_core import CallRecord, CreditsSummary, CreditsTotals, SpendLedger

_BAR_CELLS: Final = 24
_LEAST_BAR: Final = 8
_GAP: Final = 2
"""Blanks between two columns."""
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
UNKNOWN: Final = "unknown"


def spend(
    ledger: Annotated[
        str, typer.Option("--ledger", metavar="FILE", help="A ledger's SQLite file, or its Redis URL.")
    ],
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, help="Only the last N days (UTC) on which there were calls."),
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only calls with this tag.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page with plots.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show what was spent, by model, day and tag.

    Charged is what the platform reported, else what the published prices make of the tokens.

    A call without either figure is counted as unknown, never as 0.
    """
    records = _selected(_records(ledger), days=days, tag=tag)
    summary, by_day = summaries(records)
    if html is not None:
        from aivideoapi_cli._spend_page import page

        try:
            html.write_text(page(records, title=f"Spend: {_name_of(ledger)}"), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {html}: {error.strerror or error}") from error
    if as_json:
        print_json({**summary.to_dict(), "by_day": {day: totals.to_dict() for day, totals in by_day.items()}})
        return
    console = output(piped_width=160)
    if not records:
        console.print("No calls.", style="dim")
    else:
        console.print(_headline(summary), style="bold")
        console.print(_facts(summary, by_day), style="dim")
        for title, groups in (("model", summary.by_model), ("day", by_day), ("tag", summary.by_tag)):
            if groups:
                console.print()
                console.print(_table(title, groups, width=console.width))
    if html is not None:
        console.print(f"Page with plots: {html}", style="dim")


def summaries(records: Sequence[CallRecord]) -> tuple[CreditsSummary, Mapping[str, CreditsTotals]]:
    """The sums over all rows, and the sums of each UTC day, in order."""
    from aivideoapi_core import CreditsSummary

    days: dict[str, list[CallRecord]] = {}
    for record in records:
        days.setdefault(record.day, []).append(record)
    return CreditsSummary.of(records), {day: CreditsSummary.of(days[day]) for day in sorted(days)}


def bar(share: Decimal, *, cells: int = _BAR_CELLS) -> str:
    """``share`` of ``cells`` as blocks, to an eighth of a cell; anything above 0 shows."""
    eighths = int(share * cells * 8 + Decimal("0.5"))
    if share > 0:
        eighths = max(1, eighths)
    full, part = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[part] if part else "")


def _name_of(ledger: str) -> str:
    """The file's name, or the URL without what it may carry of a password."""
    return ledger.rpartition("@")[2] if "://" in ledger else Path(ledger).name


def _records(ledger: str) -> list[CallRecord]:
    from aivideoapi_core import InvalidInputError, SpendLedger

    if "://" not in ledger and not Path(ledger).is_file():
        raise CommandError(
            f"there is no ledger at {ledger}; pass ledger=SpendLedger({ledger!r}) to a model to begin one"
        )
    book: SpendLedger | None = None
    try:
        book = SpendLedger(ledger)
        return list(book.records())
    except InvalidInputError as error:
        if "://" in ledger:
            raise
        raise CommandError(f"{_name_of(ledger)} cannot be read as a ledger: {error}") from error
    except Exception as error:
        # SQLite's and Redis' own errors; the user needs one line whichever it was.
        raise CommandError(f"{_name_of(ledger)} cannot be read as a ledger: {error}") from error
    finally:
        if book is not None:
            book.close()


def _selected(records: Iterable[CallRecord], *, days: int | None, tag: str | None) -> list[CallRecord]:
    chosen = [record for record in records if tag is None or tag in record.tags]
    if days is not None:
        kept = set(sorted({record.day for record in chosen})[-days:])
        chosen = [record for record in chosen if record.day in kept]
    return chosen


def _headline(totals: CreditsTotals) -> str:
    parts = [f"{totals.calls:,} {'call' if totals.calls == 1 else 'calls'}"]
    parts.append(
        f"{_amount(totals.credits, places=2)} credits"
        + ("" if totals.usd is None else f" (${totals.usd:,.4f})")
    )
    for count, what in (
        (totals.unknown, "of unknown cost"),
        (totals.failed, "failed and not billed"),
        (totals.cache_hits, "from a cache"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    return ", ".join(parts)


def _facts(summary: CreditsSummary, days: Iterable[str]) -> str:
    """The period, and the two figures that the charged one is made of."""
    first, *rest = sorted(days)
    computed = None if summary.credits_micro is None else Decimal(summary.credits_micro).scaleb(-6)
    parts = [f"{first} to {rest[-1]} (UTC)" if rest else f"{first} (UTC)"]
    for name, amount, places, known in (
        ("reported by the platform", summary.credits_reported, 2, summary.reported_calls),
        ("computed from prices", computed, 4, summary.computed_calls),
    ):
        parts.append(f"{name} {_amount(amount, places=places)} ({known:,} of {summary.calls:,})")
    return ", ".join(parts)


def _table(title: str, groups: Mapping[str, CreditsTotals], *, width: int) -> Table:
    """Rows with bars, made to fit: first counts get short, then dollars go, then names wrap."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    order: Callable[[tuple[str, CreditsTotals]], object] = (
        (lambda row: row[0]) if title == "day" else (lambda row: (-(row[1].credits or 0), row[0]))
    )
    rows = sorted(groups.items(), key=order)  # type: ignore[arg-type]  # both keys sort
    longest = max(len(title), *(len(name) for name in groups))
    for short, with_usd in ((False, True), (True, True), (True, False)):
        lines = _columns(rows, short=short, with_usd=with_usd)
        used = sum(max(map(len, column)) + _GAP for column in zip(*lines, strict=True))
        room = width - used - _GAP - longest
        if room >= _LEAST_BAR:
            break
    cells = max(_LEAST_BAR, min(_BAR_CELLS, room))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    table.add_column(
        title, style="bold", overflow="fold", width=max(10, min(longest, width - used - _GAP - cells))
    )
    for name in lines[0]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=cells)
    most = max((totals.credits or Decimal(0) for totals in groups.values()), default=Decimal(0))
    for (name, totals), line in zip(rows, lines[1:], strict=True):
        share = (totals.credits or Decimal(0)) / most if most else Decimal(0)
        table.add_row(Text(name), *line, Text(bar(share, cells=cells), style="cyan"))
    return table


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
                _amount(totals.credits, places=2 if short else 4),
                *((usd_text,) if with_usd else ()),
                *((f"{totals.unknown:,}" if totals.unknown else "",) if with_unknown else ()),
            )
        )
    return lines


def _count(count: int, *, short: bool) -> str:
    """``131,707``, or ``132K`` where there is little room."""
    if not short or count < 10_000:
        return f"{count:,}"
    return f"{count / 1e3:,.0f}K" if count < 1_000_000 else f"{count / 1e6:,.1f}M"


def _amount(amount: Decimal | None, *, places: int) -> str:
    return UNKNOWN if amount is None else f"{amount:,.{places}f}"
