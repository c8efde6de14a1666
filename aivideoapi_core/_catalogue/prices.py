"""Dated price rows, and what a call costs by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Final

from aivideoapi_core._catalogue.amounts import Credits
from aivideoapi_core._catalogue.routes import DIRECT_SUFFIX, Route, check_id, plain_name, route_of
from aivideoapi_core._catalogue.tokens import TokenCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrices:
    """Credits per 1M tokens, i.e. micro-credits per token. ``None``: not published.

    Raises ``ValueError`` for what is no whole number of 0 or more.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None

    def __post_init__(self) -> None:
        """Check each price: a fraction would make microcredits that are none, a negative one money."""
        for one in fields(self):
            price, may_be_unknown = getattr(self, one.name), one.default is None
            if not (may_be_unknown if price is None else type(price) is int and price >= 0):
                raise ValueError(
                    f"{one.name} must be whole credits for a million tokens, 0 or more, not {price!r}"
                )


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
    """The prices of the **requested** id ``model`` on a day (default: today, UTC), or ``None`` if unknown."""
    found: PriceRow | None = None
    for row in PRICES:
        if row.model != model:
            continue
        if row.since is not None and row.since > (on or datetime.now(UTC).date()):
            continue
        if found is None or (row.since or date.min) >= (found.since or date.min):
            found = row
    if found is None:
        check_id(model)
    return found.prices if found else None


def cost_of(
    tokens: TokenCounts,
    prices: ModelPrices,
    *,
    requested: str | None = None,
    given: Mapping[str, ModelPrices] | None = None,
) -> Credits | None:
    """The computed cost, or ``None`` if tokens were used that have no known price.

    ``requested`` is the id that was asked for: other models that were at work in the call are priced
    by the rows of its route; ``given`` prices, by id, replace those.
    """
    if not isinstance(tokens, TokenCounts) or not isinstance(prices, ModelPrices):
        raise ValueError(
            "a cost is of TokenCounts at ModelPrices, such as cost_of(reply.tokens, prices_of(model)), not of "
            f"{type(tokens).__name__} at {type(prices).__name__}"
        )
    if not tokens.by_model:
        micro = _micro(tokens, prices)
        return None if micro is None else Credits(micro)
    parts = [_micro(tokens.own, prices)]
    for name, counts in tokens.by_model:
        model = on_route_of(requested, name)
        theirs = prices if model == requested else _given(given, model, name) or prices_of(model)
        parts.append(None if theirs is None else _micro(counts, theirs))
    known = [part for part in parts if part is not None]
    return Credits(sum(known)) if len(known) == len(parts) else None


def _given(given: Mapping[str, ModelPrices] | None, *names: str) -> ModelPrices | None:
    return next((given[name] for name in names if name in given), None) if given else None


def on_route_of(requested: str | None, upstream: str) -> str:
    """The id under which ``requested``'s route would serve the model that upstream calls ``upstream``.

    Empty where no route is known.
    """
    if requested is None or not upstream:
        return ""
    name = plain_name(upstream)
    return name + DIRECT_SUFFIX if route_of(requested) is Route.DIRECT else name


def _micro(tokens: TokenCounts, prices: ModelPrices) -> int | None:
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
    return micro
