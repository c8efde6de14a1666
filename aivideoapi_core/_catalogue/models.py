"""The model catalogue: limits and abilities of each id. Source: official model pages, November 2026,
and the platform's own pages for the native route's 200K window. Unknown ids get cautious limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from aivideoapi_core._catalogue.prices import PRICES, ModelPrices, prices_of
from aivideoapi_core._catalogue.routes import Route, base_model, check_id, route_of

DEFAULT_MAX_TOKENS: Final = 32_000
"""Output limit sent when the caller sets none: about what 600 s, the default timeout, can carry
in one whole reply at 60 tokens/s, so that a long answer is neither cut early nor paid for and lost."""


EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
"""Levels of effort that some model or other takes, the least first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of one model id; ``known`` is false for an id that the catalogue does not list.

    ``context_window`` and ``max_output_tokens`` are tokens. ``thinking`` names the accepted types
    of the thinking object, ``efforts`` the accepted levels. ``sampling``: ``free``, ``one`` (not
    temperature and top_p together) or ``fixed`` (only the defaults). ``prefill``: whether the
    conversation may end with an assistant turn. Rules apply on the direct-forward route only;
    what the native route accepts is undocumented, so nothing is refused there in its name.
    """

    id: str
    known: bool = True
    context_window: int = 200_000
    max_output_tokens: int = 64_000
    thinking: frozenset[str] = frozenset({"enabled", "adaptive", "disabled"})
    efforts: frozenset[str] = frozenset(EFFORTS)
    sampling: str = "free"
    prefill: bool = True
    structured_output: bool = True

    @property
    def route(self) -> Route:
        """The route that serves this id."""
        return route_of(self.id)

    @property
    def display_name(self) -> str:
        """``Claude Opus 4.7`` for ``claude-opus-4-7/anthropic``; an id of another form as it is, without its route."""
        name = base_model(self.id)
        match name.split("-"):
            case ["claude", family, major, minor] if major.isdigit() and minor.isdigit():
                return f"Claude {family.capitalize()} {major}.{minor}"
            case _:
                return name

    @property
    def prices(self) -> ModelPrices | None:
        """Today's prices, or ``None`` if none are published."""
        return prices_of(self.id)

    @property
    def default_max_tokens(self) -> int:
        """The output limit to send, or to plan with, when the caller sets none."""
        return min(DEFAULT_MAX_TOKENS, self.max_output_tokens)


_LOW_TO_HIGH: Final = frozenset({"low", "medium", "high"})
_BUDGET: Final = frozenset({"enabled", "disabled"})
_ANY_THINKING: Final = frozenset({"enabled", "adaptive", "disabled"})

_FAMILIES: Final = {
    "claude-haiku-4-5": ModelInfo(
        id="claude-haiku-4-5", thinking=_BUDGET, efforts=frozenset(), sampling="one"
    ),
    "claude-sonnet-4-5": ModelInfo(
        id="claude-sonnet-4-5", thinking=_BUDGET, efforts=frozenset(), sampling="one"
    ),
    "claude-opus-4-5": ModelInfo(
        id="claude-opus-4-5", thinking=_BUDGET, efforts=_LOW_TO_HIGH, sampling="one"
    ),
    "claude-opus-4-6": ModelInfo(
        id="claude-opus-4-6",
        context_window=1_000_000,
        max_output_tokens=128_000,
        thinking=_ANY_THINKING,
        efforts=_LOW_TO_HIGH | {"max"},
        prefill=False,
    ),
    "claude-sonnet-4-6": ModelInfo(
        id="claude-sonnet-4-6",
        context_window=1_000_000,
        max_output_tokens=128_000,
        thinking=_ANY_THINKING,
        efforts=_LOW_TO_HIGH | {"max"},
        prefill=False,
    ),
    "claude-opus-4-7": ModelInfo(
        id="claude-opus-4-7",
        context_window=1_000_000,
        max_output_tokens=128_000,
        thinking=frozenset({"adaptive", "disabled"}),
        efforts=_LOW_TO_HIGH | {"xhigh", "max"},
        sampling="fixed",
        prefill=False,
    ),
}

_UNKNOWN_MAX_OUTPUT: Final = 8_192
"""For ids that the catalogue does not list: what every model of the last two generations can do."""


def model_info(model: str) -> ModelInfo:
    """What is known of ``model``; an unknown id gets cautious limits and no rules.

    Raises ``ValueError`` for what is no id at all, such as ``None``.
    """
    if (listed := _CATALOGUE.get(model) if isinstance(model, str) else None) is not None:
        return listed
    check_id(model)
    return ModelInfo(id=model, known=False, max_output_tokens=_UNKNOWN_MAX_OUTPUT, structured_output=False)


def known_models() -> tuple[ModelInfo, ...]:
    """The catalogue, in the order of the price list."""
    return tuple(_CATALOGUE.values())


def _listed(model: str) -> ModelInfo:
    family = _FAMILIES[base_model(model)]
    if route_of(model) is Route.DIRECT:
        return replace(family, id=model)
    # UNVERIFIED: the native route documents a 200K window and no output limit; 64K is the
    # smallest limit of the models behind it on the other route. Structured output is undocumented.
    return ModelInfo(id=model, structured_output=False)


_CATALOGUE: Final = {row.model: _listed(row.model) for row in PRICES}
