"""Streams of LlamaIndex's ``FunctionCallingProgram``, which end as its calls do: in the object, or in the error.

A program that is called says that its tool is required, and raises if the reply holds no object. One that streams says
nothing of the kind, and shows a blank object for a reply that it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from llama_index.core.base.llms.types import ChatResponse, ChatResponseAsyncGen, ChatResponseGen
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.tools.types import BaseTool

_PROGRAM: Final = "llama_index.core.program.function_program"
"""The module whose function is behind the tool of a program; nothing else tells who asks."""


_CallsOf: TypeAlias = "Callable[[ChatResponse], list[ToolSelection]]"


def required_by_program(
    tools: Sequence[BaseTool], arguments: dict[str, Any]
) -> tuple[type[BaseModel] | None, dict[str, Any]]:
    """The class whose object a program wants, if the tools are those of one, and the arguments that require it."""
    if len(tools) != 1 or getattr(getattr(tools[0], "real_fn", None), "__module__", None) != _PROGRAM:
        return None, arguments
    wanted = tools[0].metadata.fn_schema
    if not isinstance(wanted, type) or not issubclass(wanted, BaseModel):
        return None, arguments
    return wanted, {"tool_required": True, **arguments}


def ending(responses: ChatResponseGen, wanted: type[BaseModel], calls_of: _CallsOf) -> ChatResponseGen:
    """``responses``, and at their end what ``calls_of`` raises for one that holds no whole call."""
    response = None
    for response in responses:
        yield response
    _check_last(response, wanted, calls_of)


async def aending(
    responses: ChatResponseAsyncGen, wanted: type[BaseModel], calls_of: _CallsOf
) -> ChatResponseAsyncGen:
    """The asynchronous twin of ``ending``."""
    response = None
    async for response in responses:
        yield response
    _check_last(response, wanted, calls_of)


def _check_last(response: ChatResponse | None, wanted: type[BaseModel], calls_of: _CallsOf) -> None:
    """Raise what ``calls_of`` raises, and ``ValueError`` for arguments that are no ``wanted``."""
    if response is None:
        return
    reason = response.additional_kwargs.get("stop_reason")
    for call in calls_of(response):
        try:
            wanted.model_validate(call.tool_kwargs)
        except ValidationError as error:
            raise ValueError(
                f"the answer is not a {wanted.__name__} (stop_reason={reason!r}): {error}"
            ) from error
