"""Parsers of structured output whose streams end as ``invoke`` does: in the object, or in the error.

LangChain's own show what there is of an object while it arrives, and a stream of theirs that never becomes one ends in
silence. They bear the names of those that they extend, so that traces show what they always showed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from langchain_core import output_parsers as lc
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableGenerator
from langchain_core.utils.json import parse_json_markdown

from aivideoapi_core.adapter_kit import aread_by, read_by


class _Ending:
    """Mixed into a parser: its stream ends in what ``invoke`` gives for the sum of the stream, or raises."""

    def _transform(self, input: Iterator[Any]) -> Iterator[Any]:
        return read_by(lambda: _Seen(self), input)

    def _atransform(self, input: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return aread_by(lambda: _Seen(self), input)


def read_through(make: Callable[[], Any], *, name: str) -> Runnable[Any, Any]:
    """A runnable, in traces of this ``name``, that hands on what a reader makes of a stream; each run has a new one."""
    return RunnableGenerator(functools.partial(read_by, make), functools.partial(aread_by, make), name=name)


class _Seen:
    """The sum of a stream so far, and what was made of it."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._sum: Any = None
        self._parsed: Any = None

    def take(self, message: Any) -> Iterator[Any]:
        """The object as far as it came with ``message``, if that shows more of it."""
        self._sum = message if self._sum is None else self._sum + message
        yield from self._more(partial=True)

    def last(self, _: Any) -> Iterator[Any]:
        """The whole object, unless it was the last to be shown. Raises what ``invoke`` raises."""
        yield from self._more(partial=False)

    def _more(self, *, partial: bool) -> Iterator[Any]:
        said = self._sum
        generation = ChatGeneration(message=said) if isinstance(said, BaseMessage) else Generation(text=said)
        parsed = self._parser.parse_result([generation], partial=partial)
        if parsed is not None and parsed != self._parsed:
            self._parsed = parsed
            yield parsed


class _WholeJSON(_Ending):
    """The same for text, which must be whole: JSON that was cut says another number, or half a list."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """As in LangChain, but the end of the text is never guessed at the end."""
        if not partial:
            _check_whole(result[0])
        return super().parse_result(result, partial=partial)  # type: ignore[misc]  # of the parser


_strictly: Final = functools.partial(json.loads, strict=False)


def _check_whole(generation: Generation) -> None:
    text = generation.text
    try:
        parse_json_markdown(text, parser=_strictly)
    except (ValueError, RecursionError):
        message = getattr(generation, "message", None)
        reason = None if message is None else message.response_metadata.get("stop_reason")
        raise OutputParserException(
            f"Invalid json output (stop_reason {reason!r}): {text}", llm_output=text
        ) from None


class JsonOutputParser(_WholeJSON, lc.JsonOutputParser):
    """See the module."""


class PydanticOutputParser(_WholeJSON, lc.PydanticOutputParser):  # type: ignore[type-arg]  # a parameter would make pydantic copy
    """See the module."""


class JsonOutputKeyToolsParser(_Ending, lc.JsonOutputKeyToolsParser):
    """See the module."""


class PydanticToolsParser(_Ending, lc.PydanticToolsParser):
    """See the module."""
