"""``aivideoapi models``: the catalogue with routes, limits and prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from aivideoapi_cli._terminal import UNKNOWN, output, print_json

if TYPE_CHECKING:
    from aivideoapi_core import ModelInfo


_TABLE_WIDTH: Final = 80


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the known models: route, limits in tokens, prices in credits per million tokens."""
    from aivideoapi_core import known_models

    if as_json:
        print_json([describe(info) for info in known_models()])
        return
    from rich import box
    from rich.table import Table

    console = output(piped_width=200)
    shown = console.is_terminal
    table = Table(
        box=box.SIMPLE_HEAD if shown else None, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("model", style="bold", no_wrap=True)
    table.add_column("route", no_wrap=True)
    for name in ("window", "max", "in", "out", "read", "5m", "1h"):
        table.add_column(name, justify="right")
    for info in known_models():
        prices = info.prices
        row = (
            (prices.input, prices.output, prices.cache_read, prices.cache_write_5m, prices.cache_write_1h)
            if prices
            else (None,) * 5
        )
        table.add_row(
            info.id,
            info.route.value.removesuffix("-forward"),
            _tokens(info.context_window),
            _tokens(info.max_output_tokens),
            *(UNKNOWN if price is None else f"{price}" for price in row),
        )
    # In a narrow terminal a line that goes on below is better than numbers that are cut.
    console.width = max(console.width, _TABLE_WIDTH)
    console.print(table)
    if not shown:  # columns for another program, and nothing else
        return
    console.print(
        f"Prices: credits per 1M tokens; 1 credit = 0.005 USD; {UNKNOWN} is not published. "
        "max: output tokens of one reply. read, 5m, 1h: prompt cache reads, and writes for five minutes or an "
        "hour. Other model ids work too, without a computed price.",
        style="dim",
    )


def describe(info: ModelInfo) -> dict[str, Any]:
    """One model as plain data; prices in credits per 1M tokens, ``None`` where none is published."""
    prices = info.prices
    return {
        "id": info.id,
        "route": info.route.value,
        "context_window_tokens": info.context_window,
        "max_output_tokens": info.max_output_tokens,
        "credits_per_million_tokens": {
            "input": prices.input,
            "output": prices.output,
            "cache_read": prices.cache_read,
            "cache_write_5m": prices.cache_write_5m,
            "cache_write_1h": prices.cache_write_1h,
        }
        if prices
        else None,
    }


def _tokens(count: int) -> str:
    return f"{count // 1_000_000}M" if count % 1_000_000 == 0 else f"{count // 1000}K"
