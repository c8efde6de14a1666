"""Runnables of LangChain's own kinds whose ``with_retry`` does not repeat what cannot succeed or costs again.

LangChain's default repeats any error, an empty balance too. ``bind`` and ``with_config`` ask the model
for its retries; the runnables here do not, and have the default of this module instead. They bear
the names of those that they extend, so that traces and dumps show what they always showed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from langchain_core import runnables as lc
from langchain_core.runnables import configurable

from aivideoapi_core import AIVideoAPIError

_R = TypeVar("_R")


def is_worth_retrying(error: BaseException) -> bool:
    """Whether to make a call of a chain again: any error as LangChain's default, but of ours the retryable.

    For ``chain.with_retry(retry_if_exception_type=is_worth_retrying)``.
    """
    if isinstance(error, AIVideoAPIError):
        return error.retryable
    return isinstance(error, Exception)


class _Retrying:
    """Mixed into a runnable: the other default, handed on to what is made of it."""

    def with_retry(
        self,
        *,
        retry_if_exception_type: tuple[type[BaseException], ...]
        | Callable[[BaseException], bool] = is_worth_retrying,
        **kwargs: Any,
    ) -> lc.Runnable[Any, Any]:
        """As in LangChain, but by default our errors only where ``is_worth_retrying`` says so."""
        return super().with_retry(retry_if_exception_type=retry_if_exception_type, **kwargs)  # type: ignore[misc,no-any-return]  # of the runnable

    def with_fallbacks(self, *args: Any, **kwargs: Any) -> Any:
        """As in LangChain."""
        return retrying(super().with_fallbacks(*args, **kwargs))  # type: ignore[misc]  # of the runnable


class RunnableSequence(_Retrying, lc.RunnableSequence):  # type: ignore[type-arg]  # a parameter would make pydantic copy
    """See the module."""

    def __or__(self, other: Any) -> Any:
        return retrying(super().__or__(other))

    def __ror__(self, other: Any) -> Any:
        return retrying(super().__ror__(other))

    def pipe(self, *others: Any, name: str | None = None) -> Any:
        """As in LangChain."""
        return retrying(super().pipe(*others, name=name))


class RunnableWithFallbacks(_Retrying, lc.RunnableWithFallbacks):  # type: ignore[type-arg]  # a parameter would make pydantic copy
    """See the module."""


class RunnableConfigurableFields(_Retrying, configurable.RunnableConfigurableFields):  # type: ignore[type-arg]  # a parameter would make pydantic copy
    """See the module."""


class RunnableConfigurableAlternatives(_Retrying, configurable.RunnableConfigurableAlternatives):  # type: ignore[type-arg]  # a parameter would make pydantic copy
    """See the module."""


_OURS: Final[Mapping[type, type]] = {
    lc.RunnableSequence: RunnableSequence,
    lc.RunnableWithFallbacks: RunnableWithFallbacks,
    configurable.RunnableConfigurableFields: RunnableConfigurableFields,
    configurable.RunnableConfigurableAlternatives: RunnableConfigurableAlternatives,
}


def retrying(runnable: _R) -> _R:
    """``runnable`` with our default for its retries, if it is of a kind that has another."""
    given: Any = runnable
    ours: Any = next((ours for kind, ours in _OURS.items() if isinstance(given, kind)), None)
    if ours is None or isinstance(given, _Retrying):
        return runnable
    made: _R = ours(**dict(given))
    return made
