"""JSON that the fast parser refuses: halves of characters, control characters, numbers that have no value.

A server that writes JSON as Python does says ``NaN`` for a cost it does not know, and a model that repeats itself
writes a number of five thousand digits. Neither is a reason to lose a paid answer.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from pydantic_core import to_json


class NoValue(str):
    """A number that Python has no value for, as it was written: ``NaN``, ``1e400``, five thousand digits."""

    __slots__ = ()


_MAX_DIGITS: Final = 4_000
"""Python refuses to read whole numbers of more than 4,300 digits; the sign is one of them."""


def _whole(digits: str) -> int | NoValue:
    return int(digits) if len(digits) <= _MAX_DIGITS else NoValue(digits)


def _finite(digits: str) -> float | NoValue:
    return value if math.isfinite(value := float(digits)) else NoValue(digits)


_DECODER: Final = json.JSONDecoder(
    strict=False, parse_constant=NoValue, parse_float=_finite, parse_int=_whole
)


def parse_leniently(text: str) -> Any:
    """The value of ``text``. Raises ``ValueError`` for what is no JSON all the same."""
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("too deep") from error


_MAX_SAID: Final = 16


def said_again(text: str) -> dict[str, Any] | None:
    """The object that a text of several says: some relays begin with ``{}``, some say the whole once more."""
    found: list[Any] = []
    place = 0
    while place < len(text) and len(found) < _MAX_SAID:
        try:
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return None
        if value != {}:
            found.append(value)
        place += len(text) - place - len(text[place:].lstrip())
    is_one = place == len(text) and bool(found) and all(value == found[0] for value in found)
    return found[0] if is_one and isinstance(found[0], dict) else None


def without_value(value: Any) -> list[float | NoValue]:
    """The numbers in ``value`` that have no value, by whichever parser: JSON has no word for them on the way back."""
    waiting, found = [value], []
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            waiting += item.values()
        elif type(item) is list:
            waiting += item
        elif type(item) is NoValue or (type(item) is float and not math.isfinite(item)):
            found.append(item)
    return found


def as_written(value: Any, numbers: list[float | NoValue]) -> str:
    """``value`` as text, with those ``numbers`` in it as a server wrote them, or as ``Infinity``."""
    text = to_json(value).decode()
    for number in set(numbers):
        if isinstance(number, NoValue):
            text = text.replace(f'"{number}"', number)
    return text
