"""MkDocs hooks: tables that come from the code, and a visible note on blocks that the tests do not run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the pages describe this checkout, installed or not

from aivideoapi_core import ModelInfo, Route, known_models

_NOT_RUN = re.compile(r"^(?P<indent> *)<!-- not executed: (?P<reason>[^\n]+?) -->$", re.MULTILINE)
_TABLE = re.compile(r"^<!-- table: (?P<name>[a-z-]+) -->$", re.MULTILINE)
_PROMPT_TOKENS = 10_000
"""The length of the cached prompt that the savings table is computed for."""


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Fill in the tables and turn the notes for the tests into notes for readers."""
    markdown = _TABLE.sub(lambda match: TABLES[match["name"]](), markdown)
    return _NOT_RUN.sub(r'\g<indent><p class="not-run">Not run by the tests: \g<reason></p>\n', markdown)


def models_table() -> str:
    """Every model of the catalogue, with its route and its limits."""
    rows = ["| model id | route | context | longest output | thinking | effort levels | JSON schema output |"]
    rows.append("|---|---|--:|--:|---|---|---|")
    for info in known_models():
        direct = info.route is Route.DIRECT
        thinking = ", ".join(sorted(info.thinking - {"disabled"})) if direct else "on or off"
        efforts = [level for level in ("low", "medium", "high", "xhigh", "max") if level in info.efforts]
        rows.append(
            f"| `{info.id}` | {info.route.value} | {_tokens(info.context_window)} | "
            f"{_tokens(info.max_output_tokens) if direct else 'not documented'} | {thinking} | "
            f"{(', '.join(efforts) or '–') if direct else 'not documented'} | "
            f"{'native' if info.structured_output else 'through a tool'} |"
        )
    return "\n".join(rows)


def prices_table() -> str:
    """Every published price, in credits per million tokens, and the output price in dollars."""
    rows = ["| model id | input | cache read | cache write 5 min | cache write 1 h | output | output, USD |"]
    rows.append("|---|--:|--:|--:|--:|--:|--:|")
    for info in known_models():
        prices = info.prices
        if prices is not None:
            figures = (
                prices.input, prices.cache_read, prices.cache_write_5m, prices.cache_write_1h, prices.output
            )  # fmt: skip
            cells = " | ".join("–" if figure is None else f"{figure:,}" for figure in figures)
            rows.append(f"| `{info.id}` | {cells} | {prices.output * 5 / 1000:.3f} |")
    return "\n".join(rows)


def savings_table() -> str:
    """What a prompt of 10,000 tokens costs over 2 and 10 calls, with and without the 5-minute cache."""
    rows = ["| model id | 2 calls, plain | 2 calls, cached | 10 calls, plain | 10 calls, cached | saved |"]
    rows.append("|---|--:|--:|--:|--:|--:|")
    for info in known_models():
        if (costs := _cached_costs(info)) is not None:
            cells = " | ".join(f"{cost / 1_000_000:.2f}" for cost in costs)
            rows.append(f"| `{info.id}` | {cells} | {1 - costs[3] / costs[2]:.0%} |")
    return "\n".join(rows)


def _cached_costs(info: ModelInfo) -> tuple[int, int, int, int] | None:
    prices = info.prices
    if prices is None or prices.cache_read is None or prices.cache_write_5m is None:
        return None

    def plain(calls: int) -> int:
        return _PROMPT_TOKENS * prices.input * calls

    def cached(calls: int) -> int:
        return _PROMPT_TOKENS * (prices.cache_write_5m + prices.cache_read * (calls - 1))

    return plain(2), cached(2), plain(10), cached(10)


def _tokens(count: int) -> str:
    return f"{count // 1_000_000}M" if count >= 1_000_000 else f"{count // 1_000}K"


TABLES = {"models": models_table, "prices": prices_table, "savings": savings_table}
