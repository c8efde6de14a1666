"""Structured output of a value that is no object: taken out of its field, and filling up in a stream."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.runnables import Runnable
from pydantic import BaseModel

from aivideoapi_core.adapter_kit import VALUE
from langchain_aivideoapi._inbound.parsers import read_through

_NOTHING: Final = object()


def bare_values() -> Runnable[Any, Any]:
    """Hands on the value in each parsed object; all but the last of a stream are parts of what is to come."""
    return read_through(_Values, name="bare_values")


class _Values:
    """The values of a stream, each handed on when it is known whether another follows."""

    def __init__(self) -> None:
        self._before: Any = _NOTHING

    def take(self, parsed: Any) -> list[Any]:
        part, self._before = _as_part(self._before), _value_of(parsed)
        return [] if part is _NOTHING else [part]

    def last(self, _: Any) -> list[Any]:
        return [] if self._before is _NOTHING else [self._before]


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
