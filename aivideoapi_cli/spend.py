"""``aivideoapi spend``: what a ledger says, by model, day, tag and whom it was for; in the terminal or as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from aivideoapi_cli._spend_tables import NOBODY, amount, facts, headline, table, write_csv
from aivideoapi_cli._terminal import WRONG_USE, CommandError, output, print_json, printable, shown_place

if TYPE_CHECKING:
    from aivideoapi_core import CreditsSummary, CreditsTotals, SpendLedger

_SHOWN: Final = ("model", "day", "tag", "agent", "customer")
"""The tables that are shown where nobody asks for one; those of the last two if some call has a name there."""


def spend(
    ledger: Annotated[
        str,
        typer.Option(
            "--ledger",
            metavar="FILE",
            envvar="AIVIDEOAPI_LEDGER",
            show_envvar=False,
            help="A ledger's SQLite file, or its Redis URL; else AIVIDEOAPI_LEDGER.",
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="Which ledger of a Redis server.")] = "default",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="today, yesterday, 2026-11-25, 2026-11, 24h, 7d ..."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="The same; a day or month is included.")
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Only the last N calendar days, today being one.")
    ] = None,
    tz: Annotated[
        str, typer.Option("--tz", metavar="ZONE", help="Whose days: UTC, local, or Europe/Berlin ...")
    ] = "UTC",
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="WHAT",
            help="One table: by model, day, hour, month, tag, agent, user, customer, thread ...",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Only calls of this model.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only calls with this tag.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only calls of this agent.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="Only calls for this customer.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only calls for this user.")] = None,
    thread: Annotated[str | None, typer.Option("--thread", help="Only calls of this conversation.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page with plots.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", help="Write the rows: .csv, .parquet, or .focus.csv (FOCUS)."
        ),
    ] = None,
    route: Annotated[
        str | None,
        typer.Option(
            "--what-if", metavar="ROUTE", help="What the same calls cost on the route native or direct."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one table (--by, else model) as CSV.")] = False,
) -> None:
    """Show what was spent, by model, day and tag, and for whom.

    Charged is what the platform reported, else what the published prices make of the tokens.

    A call without either figure is counted as unknown, never as 0.

    What did agent x for customer y cost yesterday?
    [bold]aivideoapi spend --agent x --customer y --since yesterday --until yesterday[/bold]
    """
    which = {"model": model, "tag": tag, "agent": agent, "customer": customer, "user": user, "thread": thread}
    asked: dict[str, Any] = {"since": since, "until": until, "tz": tz, **which}
    if days is not None:
        if since is not None:
            raise CommandError("give --days or --since, not both", exit_code=WRONG_USE)
        asked["since"] = f"last {days} days"
    if as_csv and as_json:
        raise CommandError("give --csv or --json, not both", exit_code=WRONG_USE)
    with _opened(ledger, name) as book:
        if html is not None:
            from aivideoapi_cli._spend_page import page

            _write(html, page(book, asked, title=f"Spend: {_name_of(ledger, name)}"))
        if export is not None:
            _export(book, export, asked)
        if route is not None:
            _what_if(book, route, asked)
            return
        if as_csv:
            write_csv(by or "model", _named(book.sums(by or "model", **asked)))
            return
        total, tables = _sums(book, by, asked)
        rate = None if as_json or by is not None else book.rate()
    if as_json:
        print_json(
            {
                **total.to_dict(),
                **{
                    f"by_{title}": {key: sums.to_dict() for key, sums in groups.items()}
                    for title, groups in tables.items()
                },
            }
        )
        return
    shown = {title: groups for title, groups in tables.items() if asked.get(title) is None or title == by}
    _show(total, shown, tz=tz, rate=rate)
    if html is not None:
        output(piped_width=160).print(f"Page with plots: {html}", style="dim")


def _show(
    total: CreditsSummary,
    tables: Mapping[str, Mapping[str, CreditsTotals]],
    *,
    tz: str,
    rate: Decimal | None,
) -> None:
    console = output(piped_width=160)
    if not any((total.calls, total.failed, total.refused, total.cache_hits)):
        console.print("No calls.", style="dim")
    else:
        console.print(headline(total), style="bold")
        if "day" in tables:
            console.print(facts(total, tables["day"], tz=tz), style="dim")
        for title, groups in tables.items():
            if groups:
                console.print()
                console.print(table(title, groups, width=console.width, plain=not console.is_terminal))
    if rate:
        console.print()
        console.print(
            f"At the rate of the last 7 days: {amount(rate, places=2)} credits a day. "
            "How long the balance lasts: aivideoapi credits --ledger ...",
            style="dim",
        )
    if total.advice is not None:
        if not rate:
            console.print()
        console.print(f"Advice: {total.advice}", markup=False)


def _export(book: SpendLedger, path: Path, asked: Mapping[str, Any]) -> None:
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise CommandError(
            f"--export writes .csv, .parquet or .focus.csv, not {path.name}", exit_code=WRONG_USE
        )
    try:
        count = book.export(path, **asked)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error
    typer.echo(f"{count:,} {'row' if count == 1 else 'rows'}: {printable(str(path))}", err=True)


def _what_if(book: SpendLedger, route: str, asked: Mapping[str, Any]) -> None:
    from aivideoapi_core import Credits, what_if

    other = what_if(book.records(**asked), route)
    now, least, most = (
        f"{Credits(micro).as_decimal():,.2f}"
        for micro in (other.now_micro, other.least_micro, other.most_micro)
    )
    output().print(
        f"{other.calls:,} calls: {now} credits by the published prices, on the {route} route "
        + (f"{least} (exact)" if other.least_micro == other.most_micro else f"{least} to {most}"),
        markup=False,
    )
    if other.least_micro != other.most_micro:
        output().print(
            "From a 5-minute cache that holds each conversation's last call, to no cache at all.", style="dim"
        )
    if other.left_out:
        output().print(f"{other.left_out:,} calls without tokens or a price are left out.", style="dim")


def _sums(
    book: SpendLedger, by: str | None, asked: Mapping[str, Any]
) -> tuple[CreditsSummary, dict[str, dict[str, CreditsTotals]]]:
    """All that was asked for as one sum, and the tables."""
    summary, groups = book.spent_by([by] if by is not None else ["day", *_SHOWN[3:]], **asked)
    named = {title: _named(sums) for title, sums in groups.items()}
    if by is not None:
        return summary, named
    tables = {"model": dict(summary.by_model), "day": named["day"], "tag": dict(summary.by_tag)}
    for title in _SHOWN[3:]:
        if named[title].keys() - {NOBODY}:
            tables[title] = named[title]
    return summary, tables


def _named(groups: Mapping[str | None, CreditsTotals]) -> dict[str, CreditsTotals]:
    return {NOBODY if key is None else key: sums for key, sums in groups.items()}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error


def _name_of(ledger: str, name: str) -> str:
    if "://" not in ledger:
        return Path(ledger).name
    return shown_place(ledger) + (f" {name}" if name != "default" else "")


@contextmanager
def _opened(ledger: str, name: str) -> Iterator[SpendLedger]:
    from aivideoapi_core import InvalidInputError, SpendLedger

    if "://" not in ledger and name != "default":
        raise CommandError("--name is for a ledger in Redis: a file holds one", exit_code=WRONG_USE)
    if "://" not in ledger and not Path(ledger).is_file():
        raise CommandError(
            f"there is no ledger at {ledger}; pass ledger=SpendLedger({ledger!r}) to a model to begin one"
        )
    try:
        book = SpendLedger(ledger, name=name)
    except InvalidInputError as error:
        if "://" in ledger:
            raise
        raise CommandError(f"{_name_of(ledger, name)} cannot be read as a ledger: {error}") from error
    try:
        yield book
    except (InvalidInputError, CommandError):
        raise
    except Exception as error:
        # SQLite's and Redis' own errors; the user needs one line whichever it was.
        raise CommandError(f"{_name_of(ledger, name)} cannot be read as a ledger: {error}") from error
    finally:
        book.close()
