"""The settings of one sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aivideoapi_core.sandbox._platform.catalog import MODELS, ModelRules, SandboxPrices
from aivideoapi_core.sandbox._server.books import LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one sandbox. ``keys`` maps a key to ``ok``, ``disabled``, ``ip_not_allowed``,
    ``spend_limit``, or to a total spend limit in credits; without it any ``sk-`` key is good."""

    balance_credits: int = 10_000
    keys: Mapping[str, str | int] | None = None
    models: Mapping[str, ModelRules] = field(default_factory=lambda: MODELS)
    cache_min_tokens: int = 0
    validate: bool = True
    record_limit: int | None = None
    seed: str | None = None
    tokens_per_s: float | None = None
    first_token_s: float = 0.0
    on_answer: Callable[[LedgerEntry], None] | None = None
    clock: Callable[[], float] = time.monotonic


def with_extra_models(extra: Mapping[str, SandboxPrices | Mapping[str, int] | None]) -> dict[str, ModelRules]:
    """The model table plus models named by a test, with or without prices."""
    added = {}
    for name, prices in extra.items():
        given = SandboxPrices(**prices) if isinstance(prices, Mapping) else prices
        added[name] = ModelRules(prices=given, system_turns=True)
    return {**MODELS, **added}
