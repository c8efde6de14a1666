"""``aivideoapi credits``: the account's balance."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer
from rich.text import Text

from aivideoapi_cli._terminal import output, print_json


def credits(  # noqa: A001 - named after its sub-command
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show the balance of the account that AIVIDEOAPI_API_KEY belongs to."""
    from aivideoapi_core import Credits, MessagesClient

    with MessagesClient() as client:
        balance = client.credits()
        where = client.base_url
    usd = Credits(balance.balance * 1_000_000).as_usd()
    if as_json:
        print_json(
            {
                "balance": balance.balance,
                "total_purchased": balance.total_purchased,
                "total_consumed": balance.total_consumed,
                "balance_usd": str(usd.quantize(Decimal("0.001"))),
            }
        )
        return
    console = output()
    console.print(Text.assemble((f"{balance.balance:,} credits", "bold"), f" (${usd:,.2f}) at {where}"))
    console.print(f"purchased {balance.total_purchased:,}, consumed {balance.total_consumed:,}", style="dim")
