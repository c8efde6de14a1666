"""Streams of LlamaIndex's ``FunctionCallingProgram``, which end as its calls do: in the object, or in the error.

A program that is called says that its tool is required, and raises if the reply holds no object. One that streams says
nothing of the kind, and shows a blank object for a reply that it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from llama_index.core.base.llms.types import ChatResponse
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.tools.types import BaseTool

_PROGRAM: Final = "llama_index.core.program.function_program"
"""The module whose function is behind the tool of a program; nothing else tells who asks."""


def wanted_by_program(tools: Sequence[BaseTool]) -> type[BaseModel] | None:
    """The class whose object a program wants, if the tools are those of one."""
    if len(tools) != 1 or getattr(getattr(tools[0], "real_fn", None), "__module__", None) != _PROGRAM:
        return None
    wanted = tools[0].metadata.fn_schema
    return wanted if isinstance(wanted, type) and issubclass(wanted, BaseModel) else None


def check_last(
    response: ChatResponse | None,
    wanted: type[BaseModel],
    calls_of: Callable[[ChatResponse], list[ToolSelection]],
) -> None:
    """Raise what ``calls_of`` raises for the last response of a stream that holds no whole call, and ``ValueError``
    for one whose arguments are no ``wanted``.
    """
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
