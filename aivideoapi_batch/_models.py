"""The models that a call is made of, however they are wrapped: of them are its books, and a key that would travel."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from aivideoapi_core import adapter_kit

if TYPE_CHECKING:
    from aivideoapi_core import CreditBudget, JointBudget, SpendLedger

_MODELS: Final = frozenset({"BaseLanguageModel", "BaseLLM"})
"""Base classes of LangChain's and LlamaIndex' models, by name: importing neither."""
_NOT_FACTS: Final = frozenset(
    {
        "base_url",
        "timeout",
        "max_retries",
        "max_retry_wait_s",
        "callback_manager",
        "num_workers",
        "show_progress",
    }
)
"""Settings that do not change an answer, wherever they stand."""
_LEFT_ALONE: Final = (str, bytes, int, float, bool, type(None), type, ModuleType, CodeType, logging.Logger)
_MOST: Final = 50_000
"""Objects that are looked at; an agent with its tools has some thousands."""


class OfModels:
    """What a ``RowCall`` has of the models in it. ``made_of`` is where they are looked for."""

    made_of: Any

    @cached_property
    def models(self) -> list[Any]:
        """Each once, in the order in which they are found."""
        return list(models_in(self.made_of))

    @property
    def budget(self) -> CreditBudget | JointBudget | None:
        """See ``RowCall``."""
        found = {id(budget): budget for model in self.models if (budget := getattr(model, "budget", None))}
        return cast("CreditBudget | JointBudget | None", adapter_kit.joined(list(found.values())))

    @property
    def ledger(self) -> SpendLedger | None:
        """See ``RowCall``; the first, if there are several."""
        ledgers = (getattr(model, "ledger", None) for model in self.models)
        return next((ledger for ledger in ledgers if ledger is not None), None)

    def key(self) -> str | None:
        """See ``RowCall``. One that came from the environment does not travel."""
        for model in self.models:
            key = getattr(model, "api_key", None)
            if key and not isinstance(key, adapter_kit.EnvironmentKey):
                return str(getattr(key, "get_secret_value", lambda key=key: key)())
        return None


def facts_of(value: Any) -> Any:
    """What of a model, or of settings with models' settings in them, changes the answers."""
    if _is_model(value):
        value = (value.asdict if hasattr(value, "asdict") else value.to_dict)()
    if isinstance(value, Mapping):
        return {name: facts_of(fact) for name, fact in value.items() if name not in _NOT_FACTS}
    return [facts_of(fact) for fact in value] if isinstance(value, (list, tuple)) else value


def models_in(thing: Any) -> Iterator[Any]:
    """The models of either framework that ``thing`` can reach: a runnable, an agent's graph, a function, any object.

    As far as a pickle of it would reach: through attributes, closures, and what a function of the same module as
    ``thing`` names. Graphs keep their models in closures, where no framework has a way to ask for them.
    """
    module = getattr(thing, "__module__", None)
    seen, waiting = {id(thing): thing}, [thing, *([type(thing).__call__] if callable(thing) else ())]
    for part in waiting:  # grows: nearest first
        if _is_model(part):
            yield part
            parts = [getattr(part, "llm", None)]  # of one around another; what else it has are clients
        elif isinstance(part, FunctionType):
            parts = [*_cells(part), *(_named(part) if part.__module__ == module else ())]
        else:
            parts = gc.get_referents(part)
        for each in parts:
            if id(each) not in seen and not isinstance(each, _LEFT_ALONE) and len(seen) < _MOST:
                seen[id(each)] = each
                waiting.append(each)


def _is_model(thing: Any) -> bool:
    return any(base.__name__ in _MODELS for base in type(thing).__mro__)


def _cells(function: FunctionType) -> list[Any]:
    return [function.__closure__, function.__defaults__, function.__kwdefaults__, function.__dict__]


def _named(function: FunctionType) -> list[Any]:
    """What it finds by name in its module."""
    names: Mapping[str, Any] = function.__globals__
    codes = [function.__code__]
    for code in codes:
        codes.extend(each for each in code.co_consts if isinstance(each, CodeType))
    return [names[name] for code in codes for name in code.co_names if name in names]
