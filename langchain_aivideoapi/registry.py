"""Make ``"aivideoapi:<model id>"`` a model string that LangChain and deepagents understand.

LangChain has no public hook for this: ``init_chat_model``, and with it ``create_agent``,
``ModelFallbackMiddleware`` and deepagents, look names up in a private table. ``register()`` adds one
row to it, and says so clearly when the table is no longer what it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeGuard

from aivideoapi_core.adapter_kit import pip_install

if TYPE_CHECKING:
    from langchain_aivideoapi.chat_models import ChatAIVideoAPI

PROVIDER: Final = "aivideoapi"
_MODULE: Final = "langchain_aivideoapi"
_CLASS: Final = "ChatAIVideoAPI"
_TABLE: Final = "_BUILTIN_PROVIDERS"
_GRAPH_SETTINGS: Final = frozenset({"thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map"})
_GRAPH_PREFIX: Final = "__pregel_"


def register() -> None:
    """Let ``init_chat_model("aivideoapi:claude-sonnet-4-6")`` and everything built on it find our model.

    Call it once, before model strings are used; calling it again changes nothing.

    Raises ``ImportError`` without the ``langchain`` package, and ``RuntimeError`` if the installed
    version keeps its providers in another way or has another provider of this name.
    """
    try:
        from langchain.chat_models import base
    except ImportError as error:
        raise ImportError(f"register() needs langchain: {pip_install('langchain')} langchain") from error
    table = getattr(base, _TABLE, None)
    if not _is_provider_table(table):
        raise RuntimeError(
            f"this version of langchain does not keep its providers in {base.__name__}.{_TABLE} as "
            "(module, class, creator) any more; pass ChatAIVideoAPI objects instead of model strings, "
            "or install a langchain that aivideoapi-adapters supports (1.4)"
        )
    row = table.setdefault(PROVIDER, (_MODULE, _CLASS, _create))
    if row[:2] != (_MODULE, _CLASS):
        raise RuntimeError(f"langchain already has a provider {PROVIDER!r}: {row[1]} of {row[0]}")


def _create(cls: type[ChatAIVideoAPI], **kwargs: Any) -> ChatAIVideoAPI:
    """The model; a model with ``configurable_fields="any"`` gets all of a run's settings, LangGraph's own too."""
    own = {
        name: value
        for name, value in kwargs.items()
        if name not in _GRAPH_SETTINGS and not name.startswith(_GRAPH_PREFIX)
    }
    return cls(**own)


def _is_provider_table(table: Any) -> TypeGuard[dict[str, tuple[str, str, Any]]]:
    """Whether ``table`` maps provider names to a module, a class name and a function."""
    rows = table.values() if isinstance(table, dict) else ()
    return bool(rows) and all(
        isinstance(row, tuple)
        and [isinstance(part, str) for part in row] == [True, True, False]
        and callable(row[2])
        for row in rows
    )
