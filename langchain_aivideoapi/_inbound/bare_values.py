"""Structured output of a value that is no object: taken out of its field, and filling up in a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableGenerator
from pydantic import BaseModel

from aivideoapi_core.adapter_kit import VALUE

_NOTHING: Final = object()


def bare_values() -> Runnable[Any, Any]:
    """Hands on the value in each parsed object; all but the last of a stream are parts of what is to come."""

    def take(parsed: Iterator[Any]) -> Iterator[Any]:
        before: Any = _NOTHING
        for each in parsed:
            if (part := _as_part(before)) is not _NOTHING:
                yield part
            before = _value_of(each)
        if before is not _NOTHING:
            yield before

    async def atake(parsed: AsyncIterator[Any]) -> AsyncIterator[Any]:
        before: Any = _NOTHING
        async for each in parsed:
            if (part := _as_part(before)) is not _NOTHING:
                yield part
            before = _value_of(each)
        if before is not _NOTHING:
            yield before

    return RunnableGenerator(take, atake)


def _value_of(parsed: Any) -> Any:
    if isinstance(parsed, dict):
        return parsed[VALUE] if parsed.keys() == {VALUE} else parsed or None
    return getattr(parsed, VALUE, parsed if isinstance(parsed, (list, str, int, float)) else None)


class _PartList(list[Any]):
    """A list that is not whole yet. LangChain adds up what streams; each part of ours is the whole so far."""

    def __add__(self, later: Any) -> Any:
        return later


class _PartText(str):
    """The same for text."""

    __slots__ = ()

    def __add__(self, later: Any) -> Any:
        return later


def _as_part(value: Any) -> Any:
    """``value`` while more of it is to come; ``_NOTHING`` for what cannot be told from something else then."""
    if type(value) is list:
        return _PartList(value)
    if type(value) is str:
        return _PartText(value)
    return value if isinstance(value, (dict, BaseModel)) else _NOTHING
