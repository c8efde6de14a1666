"""Dated price rows, and what a call costs by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from aivideoapi_core._catalogue.amounts import Credits
from aivideoapi_core._catalogue.tokens import TokenCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrices:
    """Credits per 1M tokens, i.e. micro-credits per token. ``None``: not published."""

    input: int
    output: int
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """The prices of one model id from ``since`` on (``None``: from the beginning), and where they stand."""

    model: str
    prices: ModelPrices
    source: str
    since: date | None = None


_HAIKU: Final = ModelPrices(input=295, cache_read=30, cache_write_5m=368, cache_write_1h=589, output=1471)
_SONNET: Final = ModelPrices(input=883, cache_read=89, cache_write_5m=1103, cache_write_1h=1765, output=4412)
_OPUS: Final = ModelPrices(input=1471, cache_read=148, cache_write_5m=1839, cache_write_1h=2942, output=7353)

_DIRECT_PAGE: Final = "platform documentation, 'Claude / Anthropic', as of 2026-11"

PRICES: Final[tuple[PriceRow, ...]] = (
    PriceRow(
        model="claude-sonnet-4-6",
        prices=ModelPrices(input=300, output=1500),
        source="platform documentation, 'Claude Sonnet 4.6', as of 2026-11",
    ),
    PriceRow(
        model="claude-opus-4-6",
        prices=ModelPrices(input=500, output=2500),
        source="platform documentation, 'Claude Opus 4.6', as of 2026-11",
    ),
    PriceRow(model="claude-haiku-4-5/anthropic", prices=_HAIKU, source=_DIRECT_PAGE),
    PriceRow(model="claude-sonnet-4-5/anthropic", prices=_SONNET, source=_DIRECT_PAGE),
    PriceRow(model="claude-sonnet-4-6/anthropic", prices=_SONNET, source=_DIRECT_PAGE),
    PriceRow(model="claude-opus-4-5/anthropic", prices=_OPUS, source=_DIRECT_PAGE),
    PriceRow(model="claude-opus-4-6/anthropic", prices=_OPUS, source=_DIRECT_PAGE),
    PriceRow(model="claude-opus-4-7/anthropic", prices=_OPUS, source=_DIRECT_PAGE),
)
"""Every published price. A change of price is a new row with ``since``, never an edit."""


def prices_of(model: str, *, on: date | None = None) -> ModelPrices | None:
    """The prices of the **requested** id ``model`` on a day (default: the newest), or ``None`` if unknown."""
    found: PriceRow | None = None
    for row in PRICES:
        if row.model != model or (on is not None and row.since is not None and row.since > on):
            continue
        if found is None or (row.since or date.min) >= (found.since or date.min):
            found = row
    return found.prices if found else None


def cost_of(tokens: TokenCounts, prices: ModelPrices) -> Credits | None:
    """The computed cost, or ``None`` if tokens were used that have no published price."""
    micro = 0
    for count, price in (
        (tokens.input, prices.input),
        (tokens.output, prices.output),
        (tokens.cache_read, prices.cache_read),
        (tokens.cache_write_5m, prices.cache_write_5m),
        (tokens.cache_write_1h, prices.cache_write_1h),
    ):
        if count and price is None:
            return None
        micro += count * (price or 0)
    return Credits(micro)
