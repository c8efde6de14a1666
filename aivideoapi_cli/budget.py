"""``aivideoapi budget``: the budgets of a store, by name: which there are, how they stand, and a higher limit for a while."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from aivideoapi_cli._commands import Command
from aivideoapi_cli._terminal import UNKNOWN, WRONG_USE, CommandError, output, print_json, shown_place

if TYPE_CHECKING:
    from aivideoapi_core import CreditBudget, KeptBudget, Standing

app = typer.Typer(
    no_args_is_help=True, help="Budgets in a store, by name: list them, show one, raise a limit."
)

_Store = Annotated[
    str, typer.Option("--store", metavar="FILE|URL", help="The budgets' SQLite file, or their Redis URL.")
]
_Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Which budget. [default: default]", show_default=False)
]
_Named = Annotated[str | None, typer.Option("--name", help="The same.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_TABLE_WIDTH: Final = 100
_UNITS_S: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@app.command("list", cls=Command)
def list_budgets(store: _Store, as_json: _Json = False) -> None:
    """List the budgets of a store: limits and what is spent and reserved, in credits."""
    with _told(store):
        kept = _budgets(store)
    if as_json:
        print_json([describe(budget) for budget in kept])
        return
    console = output(piped_width=200)
    shown = console.is_terminal
    if not kept and shown:
        console.print("No budgets.", style="dim")
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD if shown else None, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    with_raises = not shown or any(budget.standing.raised_until for budget in kept)
    table.add_column("name", style="bold", overflow="fold", min_width=12)
    for name in ("limit", "spent", "reserved", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("window", overflow="fold", min_width=14)
    if with_raises:
        table.add_column("raised until", no_wrap=True)
    for budget in kept:
        standing = budget.standing
        amounts = (
            standing.limit_micro,
            standing.spent_micro,
            standing.reserved_micro,
            standing.available_micro,
        )
        table.add_row(
            Text(budget.name),
            *(f"{Decimal(micro).scaleb(-6):,.2f}" if shown else _credits(micro) for micro in amounts),
            budget.window or "all time",
            *((_minute(standing.raised_until),) if with_raises else ()),
        )
    # In a narrow terminal a line that goes on below is better than figures that are cut.
    console.width = max(console.width, _TABLE_WIDTH)
    console.print(table)


@app.command("show", cls=Command)
def show(store: _Store, name: _Name = None, named: _Named = None, as_json: _Json = False) -> None:
    """Show how one budget stands."""
    name = _one_name(name, named)
    with _told(store):
        kept = {budget.name: budget for budget in _budgets(store)}
    if name not in kept:
        raise CommandError(
            f"{shown_place(store)} keeps no budget {name!r}; it has {', '.join(map(repr, list(kept)[:10])) or 'none'}"
        )
    budget = kept[name]
    if as_json:
        print_json(describe(budget))
        return
    standing = budget.standing
    _print_facts(
        [
            ("budget", budget.name),
            ("limit", _limit_text(standing)),
            (
                "spent",
                _counted(standing.spent_micro, standing.unknown_micro, "a bound, for calls of unknown cost"),
            ),
            ("reserved", _credits(standing.reserved_micro)),
            ("left", _credits(standing.available_micro)),
            ("window", budget.window or "all time"),
            ("ends", _minute(standing.window_end)),
            ("soft", "yes" if budget.soft else ""),
            ("lost", _credits(standing.expired_micro) if standing.expired_calls else ""),
        ]
    )


@app.command("raise", cls=Command)
def raise_limit(
    store: _Store,
    name: _Name = None,
    named: _Named = None,
    to: Annotated[str | None, typer.Option("--to", metavar="CREDITS", help="The new limit.")] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="CREDITS", help="Or: so much above the limit agreed on.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="Such as 2026-12-01T09:00+01:00; then the old limit holds."
        ),
    ] = None,
    length: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Or: so long, such as 90m, 2h, 3d, 1w.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Raise the limit of a budget for everybody who shares it: for a while, or for good.

    Without --until and --for it is moved for good. All processes see it with their next call.
    """
    name = _one_name(name, named)
    if (to is None) == (by is None):
        raise CommandError("give the new limit: --to CREDITS, or --by CREDITS", exit_code=WRONG_USE)
    if until is not None and length is not None:
        raise CommandError("give --until or --for, not both", exit_code=WRONG_USE)
    when = _when(until, length)
    with _told(store):
        budget = _budget(store, name)
        if by is not None and _number(by) <= 0:
            raise CommandError("--by is more than 0: give a lower limit with --to", exit_code=WRONG_USE)
        amount = Decimal(budget.limit_micro).scaleb(-6) + _number(by) if to is None else _number(to)
        if when is not None and amount * 1_000_000 <= budget.limit_micro:
            agreed = _credits(budget.limit_micro)
            raise CommandError(
                f"the limit agreed on is {agreed}: give more than that, or no time to move it for good",
                exit_code=WRONG_USE,
            )
        standing = budget.set_limit(amount) if when is None else budget.raise_until(amount, when)
        budget.close()
    if as_json:
        print_json(_facts(standing))
        return
    _print_facts(
        [("budget", name), ("limit", _limit_text(standing)), ("left", _credits(standing.available_micro))]
    )


def _one_name(name: str | None, named: str | None) -> str:
    if name is not None and named is not None:
        raise CommandError("give NAME or --name, not both", exit_code=WRONG_USE)
    return next((given for given in (name, named) if given is not None), "default")


def describe(budget: KeptBudget) -> dict[str, Any]:
    """One budget as plain data; amounts in microcredits, times in UTC."""
    return {
        "name": budget.name,
        "window": budget.window,
        "soft": budget.soft,
        "agreed_limit_micro": budget.limit_micro,
        **_facts(budget.standing),
    }


def _facts(standing: Standing) -> dict[str, Any]:
    return {
        "limit_micro": standing.limit_micro,
        "spent_micro": standing.spent_micro,
        "reserved_micro": standing.reserved_micro,
        "available_micro": standing.available_micro,
        "unknown_calls": standing.unknown_calls,
        "unknown_micro": standing.unknown_micro,
        "expired_calls": standing.expired_calls,
        "expired_micro": standing.expired_micro,
        "raised_micro": standing.raised_micro,
        "raised_until": None if standing.raised_until is None else standing.raised_until.isoformat(),
        "window_end": None if standing.window_end is None else standing.window_end.isoformat(),
    }


def _budgets(store: str) -> list[KeptBudget]:
    from aivideoapi_core import budgets_in

    return budgets_in(store)


def _budget(store: str, name: str) -> CreditBudget:
    from aivideoapi_core import CreditBudget

    return CreditBudget.of_store(store, name=name)


@contextmanager
def _told(store: str) -> Iterator[None]:
    """Failures of files and servers in one line; the project's own errors are told already."""
    from aivideoapi_core import AIVideoAPIError

    try:
        yield
    except (AIVideoAPIError, CommandError, ModuleNotFoundError):
        raise
    except Exception as error:
        # SQLite's and Redis' own errors; the user needs one line whichever it was.
        raise CommandError(f"the budgets at {shown_place(store)} cannot be read: {error}") from error


def _when(until: str | None, length: str | None) -> datetime | timedelta | None:
    if length is not None:
        found = re.fullmatch(r"(\d+)([mhdw])", length.strip())
        if found is None:
            raise CommandError(
                f"--for is a time such as 90m, 2h, 3d or 1w, not {length!r}", exit_code=WRONG_USE
            )
        return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])
    if until is None:
        return None
    try:
        when = datetime.fromisoformat(until)
    except ValueError:
        raise CommandError(
            f"--until is a time such as 2026-12-01T09:00+01:00, not {until!r}", exit_code=WRONG_USE
        ) from None
    return when if when.tzinfo is not None else when.astimezone()


def _number(text: str | None) -> Decimal:
    from decimal import InvalidOperation

    try:
        return Decimal(text or "")
    except InvalidOperation:
        raise CommandError(f"{text!r} is no number of credits", exit_code=WRONG_USE) from None


def _credits(micro: int) -> str:
    """At least two decimals, and all six where they say something."""
    amount = Decimal(micro).scaleb(-6)
    return f"{amount:,.2f}" if amount == round(amount, 2) else f"{amount:,.6f}"


def _counted(micro: int, part_micro: int, what: str) -> str:
    return f"{_credits(micro)}, {_credits(part_micro)} of it {what}" if part_micro else _credits(micro)


def _limit_text(standing: Standing) -> str:
    limit = _credits(standing.limit_micro)
    if standing.raised_until is None:
        return limit
    agreed = _credits(standing.limit_micro - standing.raised_micro)
    return f"{limit} until {_minute(standing.raised_until)}, then {agreed}"


def _minute(at: datetime | None) -> str:
    return UNKNOWN if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """One line for each fact that there is."""
    from rich.text import Text

    console = output(piped_width=200)
    for name, text in facts:
        if text not in ("", UNKNOWN):
            console.print(Text.assemble((f"{name:<9}", "dim"), text))
