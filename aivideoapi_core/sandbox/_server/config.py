"""The settings of one sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aivideoapi_core.sandbox._platform.catalog import MODELS, ModelRules, SandboxPrices
from aivideoapi_core.sandbox._script.options import check_choice, check_number, check_texts
from aivideoapi_core.sandbox._server.books import LedgerEntry

_KEY_STATES: Final = ("ok", "disabled", "ip_not_allowed", "spend_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one sandbox. ``keys`` maps a key to ``ok`` (or ``None``), ``disabled``, ``ip_not_allowed``,
    ``spend_limit``, or to a total spend limit in credits; without it any ``sk-`` key is good."""

    balance_credits: int = 10_000
    keys: Mapping[str, str | int | None] | None = None
    models: Mapping[str, ModelRules] = field(default_factory=lambda: MODELS)
    cache_min_tokens: int = 0
    validate: bool = True
    record_limit: int | None = None
    seed: str | None = None
    tokens_per_s: float | None = None
    first_token_s: float = 0.0
    on_answer: Callable[[LedgerEntry], None] | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a setting that means nothing."""
        for name in ("balance_credits", "cache_min_tokens"):
            check_number("Sandbox", name, getattr(self, name), whole=True)
        if self.record_limit is not None:
            check_number("Sandbox", "record_limit", self.record_limit, whole=True)
        check_number("Sandbox", "first_token_s", self.first_token_s)
        pace = self.tokens_per_s
        if pace is not None and (not isinstance(pace, (int, float)) or not pace > 0):
            raise ValueError(f"Sandbox: tokens_per_s must be more than 0, not {pace!r}")
        check_texts("Sandbox", {"seed": self.seed})
        if self.keys is not None and not isinstance(self.keys, Mapping):
            raise ValueError(
                f"Sandbox: keys must say of each key whether it works, such as {{'sk-1': 'ok'}}, not {self.keys!r}"
            )
        for state in (self.keys or {}).values():
            if state is not None and not isinstance(state, int):
                check_choice("Sandbox", "the state of a key", state, _KEY_STATES)


def with_extra_models(extra: Mapping[str, SandboxPrices | Mapping[str, int] | None]) -> dict[str, ModelRules]:
    """The model table plus models named by a test, with or without prices."""
    added = {}
    if not isinstance(extra, Mapping):
        raise ValueError(f"Sandbox: extra_models must be prices by model id, not {extra!r}")
    for name, prices in extra.items():
        if prices is not None and not isinstance(prices, (Mapping, SandboxPrices)):
            raise ValueError(
                f"Sandbox: extra_models[{name!r}] must be prices, or None for none, not {prices!r}"
            )
        given = SandboxPrices(**prices) if isinstance(prices, Mapping) else prices
        added[name] = ModelRules(prices=given, system_turns=True)
    return {**MODELS, **added}
