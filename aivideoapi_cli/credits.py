"""``aivideoapi credits``: the account's balance."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from aivideoapi_cli._terminal import output, print_json, shown_place


def credits(
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            metavar="FILE",
            envvar="AIVIDEOAPI_LEDGER",
            show_envvar=False,
            help="Say how long the balance lasts, at the rate of this ledger's last 7 days.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show the balance of the account that AIVIDEOAPI_API_KEY belongs to, and how long it lasts."""
    from aivideoapi_core import Credits, MessagesClient

    with MessagesClient() as client:
        balance = client.credits()
        where = client.base_url
    usd = Credits(balance.balance * 1_000_000).as_usd()
    rate = None if ledger is None else _rate_of(ledger)
    days_left = None if not rate else balance.balance / rate
    if as_json:
        print_json(
            {
                "balance": balance.balance,
                "total_purchased": balance.total_purchased,
                "total_consumed": balance.total_consumed,
                "balance_usd": str(usd.quantize(Decimal("0.001"))),
                **({} if rate is None else {"credits_per_day": f"{rate:.6f}"}),
                **({} if days_left is None else {"days_left": f"{days_left:.1f}"}),
            }
        )
        return
    console = output()
    console.print(Text.assemble((f"{balance.balance:,} credits", "bold"), f" (${usd:,.2f}) at {where}"))
    console.print(f"purchased {balance.total_purchased:,}, consumed {balance.total_consumed:,}", style="dim")
    if rate and days_left is not None:
        console.print(
            f"lasts {days_left:,.1f} days at {rate:,.2f} credits a day, as in the last 7 days", style="dim"
        )
    elif ledger is not None:
        console.print(
            Text(f"how long it lasts nobody knows: no call of the last 7 days is in {shown_place(ledger)}"),
            style="dim",
        )


def _rate_of(ledger: str) -> Decimal | None:
    """Credits a day; ``None`` if nothing is known, or nothing was written down yet."""
    from aivideoapi_core import SpendLedger

    if "://" not in ledger and not Path(ledger).is_file():
        return None
    book = SpendLedger(ledger)
    try:
        return book.rate()
    finally:
        book.close()
