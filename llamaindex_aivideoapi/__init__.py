"""LlamaIndex chat models for the AI Video API platform."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

try:
    import llama_index.core as _llama_index_core  # noqa: F401 - only looked for here
except ModuleNotFoundError as error:
    if error.name not in ("llama_index", "llama_index.core"):
        raise
    raise ModuleNotFoundError(
        "llamaindex_aivideoapi needs llama-index-core: pip install 'aivideoapi-adapters[llamaindex]'",
        name=error.name,
    ) from error

from llamaindex_aivideoapi._registry import register
from llamaindex_aivideoapi.base import AIVideoAPI

if TYPE_CHECKING:
    from llamaindex_aivideoapi.citing import Citation, CitationSynthesizer
    from llamaindex_aivideoapi.credits import CreditsEventHandler, track_credits
    from llamaindex_aivideoapi.landing import BudgetLandingLLM

_LATER: Final = {
    "BudgetLandingLLM": "landing",
    "Citation": "citing",
    "CitationSynthesizer": "citing",
    "CreditsEventHandler": "credits",
    "track_credits": "credits",
}
"""Names of modules that a model does not need before its first call."""


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name in _LATER:
            return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register()

__all__ = [
    "AIVideoAPI",
    "BudgetLandingLLM",
    "Citation",
    "CitationSynthesizer",
    "CreditsEventHandler",
    "register",
    "track_credits",
]
