"""LlamaIndex chat models for the AI Video API platform."""

from typing import TYPE_CHECKING, Final

try:
    import llama_index.core as _llama_index_core  # noqa: F401 - only looked for here
except ModuleNotFoundError as error:
    if error.name not in ("llama_index", "llama_index.core"):
        raise
    from aivideoapi_core.adapter_kit import pip_install

    said = f"llamaindex_aivideoapi needs llama-index-core: {pip_install('llamaindex')}"
    raise ModuleNotFoundError(said, name=error.name) from error

from llamaindex_aivideoapi._registry import register
from llamaindex_aivideoapi.base import AIVideoAPI

if TYPE_CHECKING:
    from llamaindex_aivideoapi.citing import Citation, CitationSynthesizer
    from llamaindex_aivideoapi.credits import CreditsEventHandler, track_credits
    from llamaindex_aivideoapi.landing import BudgetLandingLLM

_LATER: Final = {
    "BudgetLandingLLM": "llamaindex_aivideoapi.landing",
    "Citation": "llamaindex_aivideoapi.citing",
    "CitationSynthesizer": "llamaindex_aivideoapi.citing",
    "CreditsEventHandler": "llamaindex_aivideoapi.credits",
    "track_credits": "llamaindex_aivideoapi.credits",
}
"""Names of modules that a model does not need before its first call."""

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

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    from aivideoapi_core.adapter_kit import late_names

    __getattr__, __dir__ = late_names(__name__, _LATER, __all__)
