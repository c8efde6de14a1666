"""The sandbox's own model table: routes, limits, rules and prices.

Transcribed a second time, on purpose, from the platform's public price pages (Claude / Anthropic,
Claude Sonnet 4.6, Claude Opus 4.6; read November 2026), so that a slip in the product's table shows
up as a difference here. Prices are credits per 1,000,000 tokens, which is the same number of
microcredits per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

DIRECT_SUFFIX: Final = "/anthropic"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPrices:
    """Credits per 1M tokens (microcredits per token); ``None``: not published."""

    input: int
    output: int
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None

    @property
    def has_caching(self) -> bool:
        """Whether cache writes and reads have a price, hence are counted apart."""
        return self.cache_read is not None and self.cache_write_5m is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRules:
    """What one model accepts. ``max_output_tokens`` and the rules bind on the direct-forward route only.

    ``sampling``: ``any``; ``one`` (not temperature and top_p together); ``default`` (only the
    default values). ``system_turns``: whether a message in the conversation may have the role system.
    """

    prices: SandboxPrices | None
    context_tokens: int = 200_000
    max_output_tokens: int | None = None
    sampling: Literal["any", "one", "default"] = "any"
    prefill: bool = True
    thinking: frozenset[str] = frozenset({"enabled", "adaptive", "disabled", "between_tools"})
    efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh", "max")
    system_turns: bool = False


_BUDGET: Final = frozenset({"enabled", "disabled"})
_BOTH: Final = frozenset({"enabled", "adaptive", "disabled", "between_tools"})
_ADAPTIVE: Final = frozenset({"adaptive", "disabled", "between_tools"})
_SONNET_DIRECT: Final = SandboxPrices(
    input=883, output=4412, cache_read=89, cache_write_5m=1103, cache_write_1h=1765
)
_OPUS_DIRECT: Final = SandboxPrices(
    input=1471, output=7353, cache_read=148, cache_write_5m=1839, cache_write_1h=2942
)

MODELS: Final[Mapping[str, ModelRules]] = {
    "claude-sonnet-4-6": ModelRules(prices=SandboxPrices(input=300, output=1500)),
    "claude-opus-4-6": ModelRules(prices=SandboxPrices(input=500, output=2500)),
    "claude-haiku-4-5/anthropic": ModelRules(
        prices=SandboxPrices(input=295, output=1471, cache_read=30, cache_write_5m=368, cache_write_1h=589),
        max_output_tokens=64_000,
        sampling="one",
        thinking=_BUDGET,
        efforts=(),
    ),
    "claude-sonnet-4-5/anthropic": ModelRules(
        prices=_SONNET_DIRECT, max_output_tokens=64_000, sampling="one", thinking=_BUDGET, efforts=()
    ),
    "claude-opus-4-5/anthropic": ModelRules(
        prices=_OPUS_DIRECT,
        max_output_tokens=64_000,
        sampling="one",
        thinking=_BUDGET,
        efforts=("low", "medium", "high"),
    ),
    "claude-sonnet-4-6/anthropic": ModelRules(
        prices=_SONNET_DIRECT,
        context_tokens=1_000_000,
        max_output_tokens=128_000,
        prefill=False,
        thinking=_BOTH,
        efforts=("low", "medium", "high", "max"),
    ),
    "claude-opus-4-6/anthropic": ModelRules(
        prices=_OPUS_DIRECT,
        context_tokens=1_000_000,
        max_output_tokens=128_000,
        prefill=False,
        thinking=_BOTH,
        efforts=("low", "medium", "high", "max"),
    ),
    "claude-opus-4-7/anthropic": ModelRules(
        prices=_OPUS_DIRECT,
        context_tokens=1_000_000,
        max_output_tokens=128_000,
        sampling="default",
        prefill=False,
        thinking=_ADAPTIVE,
        efforts=("low", "medium", "high", "xhigh", "max"),
    ),
}


def is_native(model: str) -> bool:
    """True for the native route, False for the direct-forward route (``<model>/anthropic``)."""
    return not model.endswith(DIRECT_SUFFIX)


def cost_micro(usage: Mapping[str, Any], prices: SandboxPrices | None) -> int | None:
    """Exact charge of one answer in microcredits; ``None`` when a token kind used has no price.

    ``usage`` is the wire object. Values that are no counts (a scripted absurdity) charge nothing.
    """
    if prices is None:
        return None
    split = usage.get("cache_creation")
    split = split if isinstance(split, Mapping) else {}
    hour = _count(split.get("ephemeral_1h_input_tokens"))
    rest = _count(usage.get("cache_creation_input_tokens")) - hour
    five_minutes = max(rest, _count(split.get("ephemeral_5m_input_tokens")))
    total = 0
    for tokens, price in (
        (_count(usage.get("input_tokens")), prices.input),
        (_count(usage.get("output_tokens")), prices.output),
        (_count(usage.get("cache_read_input_tokens")), prices.cache_read),
        (five_minutes, prices.cache_write_5m),
        (hour, prices.cache_write_1h),
    ):
        if tokens and price is None:
            return None
        total += tokens * (price or 0)
    return total


def charge_micro(usage: Mapping[str, Any], model: str, prices: SandboxPrices | None) -> int | None:
    """``cost_micro`` of an answer of ``model`` with what its ``iterations`` add: a compaction, an advisor's own model."""
    charge = cost_micro(usage, prices)
    iterations = usage.get("iterations")
    for entry in iterations if isinstance(iterations, list) else ():
        if not isinstance(entry, Mapping) or entry.get("type") in _COUNTED_ON_TOP:
            continue
        cost = cost_micro(entry, _prices_beside(model, entry.get("model"), prices))
        charge = None if charge is None or cost is None else charge + cost
    return charge


_COUNTED_ON_TOP: Final = ("message", "fallback_message")


def _prices_beside(model: str, named: object, prices: SandboxPrices | None) -> SandboxPrices | None:
    """Of the model that an entry names, on the route of ``model``; of one without a name, ``prices``."""
    if not isinstance(named, str):
        return prices
    rules = MODELS.get(named if is_native(model) or not is_native(named) else f"{named}{DIRECT_SUFFIX}")
    return None if rules is None else rules.prices


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
