"""What callers give where LlamaIndex would fail in words of its own: messages, prompts, output classes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel

from aivideoapi_core import InvalidInputError

_F = TypeVar("_F", bound=Callable[..., Any])


def with_messages(method: _F) -> _F:
    """A method that takes messages; to stand before LlamaIndex's callbacks, whose events take nothing else.

    Of a list its first item is looked at: nearly always, all are of one kind.
    """
    call: Any = method

    @functools.wraps(method)
    def checked(self: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
        _check_messages(messages)
        return call(self, messages, *args, **kwargs)

    @functools.wraps(method)
    async def awaited(self: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
        _check_messages(messages)
        return await call(self, messages, *args, **kwargs)

    made: Any = awaited if inspect.iscoroutinefunction(method) else checked
    made.__signature__ = inspect.signature(method)  # LlamaIndex asks for it with each call
    del made.__wrapped__
    with_them: _F = made
    return with_them


def _check_messages(messages: Any) -> None:
    if isinstance(messages, (list, tuple)):
        if not messages or isinstance(messages[0], (ChatMessage, dict)):
            return
        kind = f"a list of {type(messages[0]).__name__}"
    elif isinstance(messages, (str, ChatMessage)) or not hasattr(messages, "__iter__"):
        kind = f"a {type(messages).__name__}"
    else:
        return
    raise InvalidInputError(
        f"messages must be a list, such as [ChatMessage(role='user', content='...')], not {kind}; for text alone: "
        "complete('...')"
    )


def checked_prompt(prompt: Any) -> str:
    """A prompt that is text; LlamaIndex makes a message without content of most other things."""
    if isinstance(prompt, str):
        return prompt
    raise InvalidInputError(
        f"prompt must be text, not a {type(prompt).__name__}; chat() and its likes take messages"
    )


def check_output_class(output_cls: Any) -> None:
    """Raise ``InvalidInputError`` for what ``StructuredLLM`` cannot answer with."""
    if not (isinstance(output_cls, type) and issubclass(output_cls, BaseModel)):
        raise InvalidInputError(
            f"as_structured_llm takes a pydantic class, not {output_cls!r}; structured_predict takes other types too"
        )
