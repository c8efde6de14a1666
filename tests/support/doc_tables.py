"""The tables of the documentation that come from the catalogue. ``doc_pages.py`` writes them into their pages.

They stand between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; a test compares them with the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from aivideoapi_core import ModelInfo, Route, compare_routes, known_models
from aivideoapi_core.adapter_kit import EFFORTS

_PLACE: Final = re.compile(
    r"(?P<head><!-- table: (?P<name>[a-z-]+) -->\n\n).*?(?P<tail>\n\n<!-- end of table -->)", re.DOTALL
)
_PROMPT_TOKENS: Final = 10_000
"""The length of the cached prompt that the savings are computed for."""
_NONE: Final = "\N{EN DASH}"


def with_tables(text: str) -> str:
    """A page with its tables as they should be."""
    return _PLACE.sub(lambda match: f"{match['head']}{_TABLES[match['name']]()}{match['tail']}", text)


def models_table() -> str:
    """Every model of the catalogue, with its route and its limits."""
    rows = ["| model id | route | context | output | thinking | effort levels | JSON schema |"]
    rows.append("|---|---|--:|--:|---|---|---|")
    for info in known_models():
        direct = info.route is Route.DIRECT
        thinking = ", ".join(sorted(info.thinking - {"disabled"})) if direct else "on, off"
        efforts = [level for level in EFFORTS if level in info.efforts]
        rows.append(
            f"| `{info.id}` | {'direct' if direct else 'native'} | {_tokens(info.context_window)} | "
            f"{_tokens(info.max_output_tokens) if direct else '?'} | {thinking} | "
            f"{(', '.join(efforts) or _NONE) if direct else '?'} | "
            f"{'yes' if info.structured_output else 'by a tool'} |"
        )
    return "\n".join(rows)


def prices_table() -> str:
    """Every published price, in credits per million tokens, and the output price in dollars."""
    rows = ["| model id | input | cache read | write, 5 min | write, 1 h | output | output, USD |"]
    rows.append("|---|--:|--:|--:|--:|--:|--:|")
    for info in known_models():
        prices = info.prices
        if prices is not None:
            figures = (
                *(prices.input, prices.cache_read, prices.cache_write_5m, prices.cache_write_1h),
                prices.output,
            )
            cells = " | ".join(_NONE if figure is None else f"{figure:,}" for figure in figures)
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


_WORKLOADS: Final = (
    ("one question", 500, 0, 1, 300),
    ("10 short chats, one system prompt", 2_000, 1_500, 10, 300),
    ("3 questions on one document", 30_000, 29_900, 3, 300),
    ("20 questions on one document", 30_000, 29_900, 20, 300),
    ("100 labels by one long instruction", 8_000, 7_500, 100, 20),
)
"""Name, prompt tokens, tokens of the shared prefix, calls, output tokens of each call."""


def routes_table() -> str:
    """What typical workloads cost on each route of claude-sonnet-4-6, in credits."""
    rows = [
        "| workload | prompt | shared | calls | output | native | direct | 5 min | 1 h | 5 min wins from |"
    ]
    rows.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, prompt, prefix, calls, output in _WORKLOADS:
        found = compare_routes(
            "claude-sonnet-4-6",
            prompt_tokens=prompt,
            prefix_tokens=prefix,
            calls=calls,
            output_tokens=output,
        )
        costs = " | ".join(_NONE if row.micro is None else f"{row.micro / 1_000_000:.2f}" for row in found)
        least = found[2].break_even_calls
        rows.append(
            f"| {name} | {prompt:,} | {prefix:,} | {calls} | {output} | {costs} | "
            f"{'never' if least is None else f'{least} calls'} |"
        )
    return "\n".join(rows)


def _cached_costs(info: ModelInfo) -> tuple[int, int, int, int] | None:
    """Microcredits: twice plain, twice cached, ten times plain, ten times cached."""
    prices = info.prices
    if prices is None or prices.cache_read is None or prices.cache_write_5m is None:
        return None
    write, read = prices.cache_write_5m, prices.cache_read

    def cached(calls: int) -> int:
        return _PROMPT_TOKENS * (write + read * (calls - 1))

    return _PROMPT_TOKENS * prices.input * 2, cached(2), _PROMPT_TOKENS * prices.input * 10, cached(10)


def _tokens(count: int) -> str:
    return f"{count // 1_000_000}M" if count >= 1_000_000 else f"{count // 1_000}K"


_TABLES: Final[dict[str, Callable[[], str]]] = {
    "models": models_table,
    "prices": prices_table,
    "routes": routes_table,
    "savings": savings_table,
}
