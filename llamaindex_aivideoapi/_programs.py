"""Streams of LlamaIndex's ``FunctionCallingProgram``, which end as its calls do: in the object, or in the error.

A program that is called says that its tool is required, and raises if the reply holds no object. One that streams says
nothing of the kind, and shows a blank object for a reply that it cannot read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from llama_index.core.base.llms.types import ChatResponse
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.tools.types import BaseTool

_PROGRAM: Final = "llama_index.core.program.function_program"
"""The module whose function is behind the tool of a program; nothing else tells who asks."""


def required_by_program(
    tools: Sequence[BaseTool],
    arguments: dict[str, Any],
    calls_of: Callable[[ChatResponse], list[ToolSelection]],
) -> tuple[Callable[[], _ProgramReader] | None, dict[str, Any]]:
    """The reader of a program's responses, if the tools are those of one, and the arguments that require them."""
    if len(tools) != 1 or getattr(getattr(tools[0], "real_fn", None), "__module__", None) != _PROGRAM:
        return None, arguments
    wanted = tools[0].metadata.fn_schema
    if not isinstance(wanted, type) or not issubclass(wanted, BaseModel):
        return None, arguments
    return functools.partial(_ProgramReader, wanted, calls_of), {"tool_required": True, **arguments}


class _ProgramReader(NamedTuple):
    """Hands responses on, and raises at their end what ``calls_of`` raises for one that holds no whole call, and
    ``ValueError`` for arguments that are no ``wanted``.
    """

    wanted: type[BaseModel]
    calls_of: Callable[[ChatResponse], list[ToolSelection]]

    def take(self, response: ChatResponse) -> tuple[ChatResponse]:
        return (response,)

    def last(self, response: ChatResponse) -> tuple[()]:
        reason = response.additional_kwargs.get("stop_reason")
        for call in self.calls_of(response):
            try:
                self.wanted.model_validate(call.tool_kwargs)
            except ValidationError as error:
                raise ValueError(
                    f"the answer is not a {self.wanted.__name__} (stop_reason={reason!r}): {error}"
                ) from error
        return ()
