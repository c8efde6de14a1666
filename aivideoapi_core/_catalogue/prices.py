"""Token counts, dated price rows, and what a call costs by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from aivideoapi_core._catalogue.amounts import Credits

_ABSURD: Final = 10**12
"""A count at or above this is a fault of the server, not a count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """The tokens of one call. ``input`` excludes cache reads and writes; ``output`` includes thinking.

    ``thinking`` is ``None`` where the server did not say.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thinking: int | None = None

    @property
    def cache_write(self) -> int:
        """Cache writes of both lifetimes."""
        return self.cache_write_5m + self.cache_write_1h

    @property
    def total_input(self) -> int:
        """All input tokens: fresh, written to the cache and read from it."""
        return self.input + self.cache_write + self.cache_read


def read_usage(usage: Mapping[str, Any] | None) -> TokenCounts | None:
    """Read a wire ``usage``; ``None`` unless input and output counts are there and every count is sane.

    Where the split of cache writes by lifetime is absent or says less than the total, the rest
    counts as 5-minute writes (platform documentation, "Prompt caching").
    """
    if not isinstance(usage, Mapping):
        return None
    split = usage.get("cache_creation")
    try:
        write_1h = write_5m = 0
        if isinstance(split, Mapping):
            write_1h = _count(split.get("ephemeral_1h_input_tokens")) or 0
            write_5m = _count(split.get("ephemeral_5m_input_tokens")) or 0
        writes = _count(usage.get("cache_creation_input_tokens")) or 0
        reads = _count(usage.get("cache_read_input_tokens")) or 0
        input_tokens, output_tokens = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    except ValueError:
        return None  # a wrong count makes a wrong bill, and unknown is not zero
    if input_tokens is None or output_tokens is None:
        return None
    return TokenCounts(
        input=input_tokens,
        output=output_tokens,
        cache_read=reads,
        cache_write_5m=max(write_5m, writes - write_1h),
        cache_write_1h=write_1h,
        thinking=_thinking(usage.get("output_tokens_details")),
    )


def _thinking(details: Any) -> int | None:
    try:
        return _count(details.get("thinking_tokens")) if isinstance(details, Mapping) else None
    except ValueError:
        return None  # says nothing about the bill


def _count(value: Any) -> int | None:
    """A count of tokens, ``None`` where there is none. Raises ``ValueError`` for what cannot be one."""
    if value is None or (type(value) is int and 0 <= value < _ABSURD):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value < _ABSURD:
        raise ValueError(value)
    return value


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
