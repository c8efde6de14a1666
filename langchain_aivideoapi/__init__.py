"""LangChain integration of the AI Video API platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

try:
    import langchain_core as _langchain_core  # noqa: F401 - only looked for here
except ModuleNotFoundError as error:
    if error.name != "langchain_core":
        raise
    from aivideoapi_core.adapter_kit import pip_install

    said = f"langchain_aivideoapi needs langchain-core: {pip_install('langchain')}"
    raise ModuleNotFoundError(said, name=error.name) from error

from langchain_aivideoapi.chat_models import ChatAIVideoAPI
from langchain_aivideoapi.registry import register

if TYPE_CHECKING:
    from aivideoapi_core import __version__
    from langchain_aivideoapi._retrying import is_worth_retrying
    from langchain_aivideoapi.credits import CreditsCallbackHandler, get_credits_callback
    from langchain_aivideoapi.landing import BudgetLandingMiddleware
    from langchain_aivideoapi.middleware import AIVideoAPIPromptCachingMiddleware

_LATER: Final = {
    "AIVideoAPIPromptCachingMiddleware": "langchain_aivideoapi.middleware",
    "BudgetLandingMiddleware": "langchain_aivideoapi.landing",
    "CreditsCallbackHandler": "langchain_aivideoapi.credits",
    "get_credits_callback": "langchain_aivideoapi.credits",
    "__version__": "aivideoapi_core",
    "is_worth_retrying": "langchain_aivideoapi._retrying",
}
"""Names whose modules take long to import, or need the ``langchain`` package, which a model does not."""


__all__ = [
    "AIVideoAPIPromptCachingMiddleware",
    "BudgetLandingMiddleware",
    "ChatAIVideoAPI",
    "CreditsCallbackHandler",
    "__version__",
    "get_credits_callback",
    "is_worth_retrying",
    "register",
]

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    from aivideoapi_core.adapter_kit import late_names

    __getattr__, __dir__ = late_names(__name__, _LATER, __all__)
