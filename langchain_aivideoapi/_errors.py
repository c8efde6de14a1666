"""Errors that are ours and LangChain's at once: ``except RateLimitError`` and ``except ModelRateLimitError``.

Three readers decide on a retry, each in its own way, and all must come to the core's answer:
LangChain's middleware reads ``is_retryable``; LangGraph's default retry policy retries everything
that is not a ``ValueError`` or another built-in error; ``with_retry`` goes by class. So each core
class has two twins: one for errors worth another try (a ``TransientModelError``), one for the rest,
which are ``ValueError`` too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Any, Final, Literal

from langchain_core import exceptions as lc

import aivideoapi_core as core


class TransientModelError(lc.ModelError):
    """The same call may succeed if made again, and is not paid for twice. The class to give to ``with_retry``."""

    is_retryable = True


class _UnparsedAnswerError(lc.ModelError, lc.OutputParserException):
    """A reply that is not the call that was asked for: the model's error, and that of whoever parses it."""

    text = ""
    observation = None
    send_to_llm = False

    @property
    def llm_output(self) -> str | None:  # type: ignore[override]  # an attribute there, the same to readers
        """What the model said instead."""
        return self.text


_LANGCHAIN: Final[Mapping[type[core.AIVideoAPIError], type[lc.ModelError]]] = {
    core.AIVideoAPIError: lc.ModelError,
    core.InvalidInputError: lc.ModelInvalidRequestError,
    core.BudgetExceededError: lc.ModelError,
    core.ToolChoiceIgnoredError: _UnparsedAnswerError,
    core.APIConnectionError: lc.ModelConnectionError,
    core.APITimeoutError: lc.ModelTimeoutError,
    core.APIStatusError: lc.ModelAPIError,
    core.InvalidRequestError: lc.ModelInvalidRequestError,
    core.ContextOverflowError: lc.ContextOverflowError,
    core.RequestTooLargeError: lc.ModelInvalidRequestError,
    core.AuthenticationError: lc.ModelAuthenticationError,
    core.InsufficientCreditsError: lc.ModelError,
    core.SpendLimitError: lc.ModelError,
    core.PermissionDeniedError: lc.ModelPermissionDeniedError,
    core.NotFoundError: lc.ModelInvalidRequestError,
    core.ModelNotFoundError: lc.ModelNotFoundError,
    core.RateLimitError: lc.ModelRateLimitError,
    core.ResponseFormatError: lc.ModelAPIError,
    core.StreamError: lc.ModelAPIError,
    core.IncompleteStreamError: lc.ModelConnectionError,
    core.StreamTimeoutError: lc.ModelTimeoutError,
}
"""LangChain's class for a core class and its subclasses, the nearest one counts.

LangChain has no class for billing: ``ModelRateLimitError`` says "wait" and
``ModelPermissionDeniedError`` says 403, so 402 and spend limits are plain ``ModelError``.
"""


class _Twin(core.AIVideoAPIError):
    """What all twins share: they are pickled and copied as the core error that they came from."""

    _core_class: type[core.AIVideoAPIError]

    def __reduce__(self) -> tuple[Any, ...]:
        return as_langchain, (self.recast(self._core_class),)


@cache
def _twin_class(core_class: type[core.AIVideoAPIError], *, retryable: bool) -> type[core.AIVideoAPIError]:
    """The class that is ``core_class``, LangChain's matching class, and retryable or a ``ValueError``."""
    langchain_class = next(_LANGCHAIN[base] for base in core_class.__mro__ if base in _LANGCHAIN)
    wanted = (_Twin, core_class, langchain_class, TransientModelError if retryable else ValueError)
    # Python refuses a base that stands before its own subclass, and does not need it.
    bases = tuple(
        cls for cls in wanted if not any(issubclass(other, cls) for other in wanted if other is not cls)
    )
    namespace = {
        "__doc__": core_class.__doc__,
        "__module__": __name__,
        "_core_class": core_class,
        "is_retryable": retryable,
    }
    return type(core_class.__name__, bases, namespace)


def as_langchain(error: core.AIVideoAPIError) -> core.AIVideoAPIError:
    """The same error with the same facts, as a subclass of its own class and of LangChain's."""
    if isinstance(error, lc.ModelError):
        return error
    twin_class = _twin_class(type(error), retryable=error.retryable)  # type: ignore[arg-type]  # classes do hash
    twin = error.recast(twin_class)
    twin.__suppress_context__ = True
    if hasattr(error, "__notes__"):
        twin.__notes__ = list(error.__notes__)
    return twin


class _LangChainErrors:
    """See ``langchain_errors``. A class, because a generator would cost more than the call it guards."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if isinstance(error, core.AIVideoAPIError) and not isinstance(error, lc.ModelError):
            raise as_langchain(error).with_traceback(trace) from error.__cause__
        return False


def langchain_errors() -> _LangChainErrors:
    """A context in which an error of the core is raised as LangChain's, with its traceback and cause."""
    return _LangChainErrors()
