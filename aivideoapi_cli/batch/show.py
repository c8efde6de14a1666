"""A batch job in a terminal: the count while it is estimated, the bar while it runs, the report at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from aivideoapi_batch import BatchReport

_STYLES: Final = {"ok": "green", "failed": "red", "refused": "yellow", "lost": "magenta"}


class Reading:
    """How many rows were looked at for the estimate, as long as it takes; nothing where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("Reading the journal", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def shown(self, rows: Iterable[Any]) -> Iterator[Any]:
        """``rows`` as they are; every thousandth changes what is shown."""
        for number, row in enumerate(rows):
            if number % 1000 == 0:
                self._progress.update(self._task, description=f"Estimating: {number:,} rows")
            yield row


class Bar:
    """Rows, credits, rows per second and time left; nothing where the output is no terminal."""

    def __init__(self, console: Console, *, total: int) -> None:
        self._micro, self._not_ok = 0, 0
        self.progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[credits]} credits"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("[red]{task.fields[faults]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self.progress.add_task("", total=total, credits="0", rate="", faults="")

    def add(self, status: str, micro: int | None) -> None:
        """One more row has ended, so, for ``micro`` microcredits if anybody knows."""
        self._micro += micro or 0
        self._not_ok += status != "ok"
        speed = self.progress.tasks[0].speed
        self.progress.update(
            self._task,
            advance=1,
            credits=f"{_credits(self._micro):,.2f}",
            rate="" if speed is None else f"{speed:,.1f} rows/s",
            faults=f"{self._not_ok:,} not ok" if self._not_ok else "",
        )


def report_view(report: BatchReport, *, remaining: int, lines: bool) -> RenderableType:
    """Rows by status, three books side by side, what was paid twice at most. ``lines``: rules under the headings."""
    totals = report.totals
    rows = _table("rows", "count", lines=lines)
    for status, count in sorted(totals.rows.items()):
        rows.add_row(Text(status, style=_STYLES.get(status, "")), f"{count:,}")
    rows.add_row("remaining", f"{remaining:,}")
    books = _table("credits, by whose book", "", lines=lines)
    for name, amount in report.books().items():
        if amount is not None:
            books.add_row(name, f"{amount:,.4f}")
    if totals.reported:
        books.add_row("reported by the platform", f"{totals.reported:,.2f}")
    if report.standing is not None:
        books.add_row("limit", f"{_credits(report.standing.limit_micro):,.4f}")
        if report.standing.reserved_micro:
            books.add_row("reserved", f"{_credits(report.standing.reserved_micro):,.4f}")
    sides = Table.grid(padding=(0, 6, 0, 0))
    sides.add_row(rows, books)
    return Group(Text(), sides, Text(), *map(Text, _lines(report)))


def _lines(report: BatchReport) -> list[str]:
    totals, counts = report.totals, report.counts
    lines = [f"Paid twice: at most {totals.repeated_calls:,} {_calls(totals.repeated_calls)}."]
    if waiting := totals.unfinished_calls - totals.repeated_calls:
        lines.append(f"Began and did not end: {waiting:,} {_calls(waiting)}, paid at worst.")
    if totals.unknown:
        bound = _credits(totals.at_most_micro)
        lines.append(f"Cost unknown: {totals.unknown:,} rows, at most {bound:,.4f} credits.")
    if counts.bad:
        codes = ", ".join(f"{count:,} {code}" for code, count in sorted(counts.bad_by_code.items()))
        lines.append(f"Not called: {counts.bad:,} that are no rows, or without an id of their own: {codes}.")
    if counts.stopped:
        lines.append(f"Stopped: {counts.stopped}.")
    if counts.needed_micro is not None:
        lines.append(f"That call may cost up to {_credits(counts.needed_micro):,.4f} credits.")
    return lines


def _table(name: str, figure: str, *, lines: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD if lines else None, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column(name)
    table.add_column(figure, justify="right")
    return table


def _calls(count: int) -> str:
    return "call" if count == 1 else "calls"


def _credits(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-6)
