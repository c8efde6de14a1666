"""Errors of constructors: errors of ours that are ``ValueError`` too, out of pydantic's words and our own.

Parsers of command lines and pydantic's validators know ``ValueError`` alone; calls raise none, see ``InvalidInputError``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from aivideoapi_core._errors import AIVideoAPIError, InvalidInputError

if TYPE_CHECKING:
    from pydantic import ValidationError

_P = ParamSpec("_P")
_T = TypeVar("_T")


@cache
def _value_error_class(cls: type[AIVideoAPIError]) -> type[AIVideoAPIError]:
    def pickled(self: AIVideoAPIError) -> tuple[Any, ...]:
        return as_value_error, (self.recast(cls),)

    namespace = {"__doc__": cls.__doc__, "__module__": cls.__module__, "__reduce__": pickled}
    return type(cls.__name__, (cls, ValueError), namespace)


def as_value_error(error: AIVideoAPIError) -> AIVideoAPIError:
    """The same error, of a class that is its own and ``ValueError``: what pydantic and its users expect of a constructor."""
    if isinstance(error, ValueError):
        return error
    return error.recast(_value_error_class(type(error))).with_traceback(error.__traceback__)  # type: ignore[arg-type]  # classes do hash


def with_value_errors(make: Callable[_P, _T]) -> Callable[_P, _T]:
    """A constructor, with ``as_value_error`` for what it raises: parsers of command lines and validators know no other."""

    @wraps(make)
    def making(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return make(*args, **kwargs)
        except InvalidInputError as error:
            raise as_value_error(error) from error.__cause__

    return making


def settings_error(error: ValidationError) -> AIVideoAPIError:
    """What pydantic found wrong with a model's settings, as our own error, which a validator of ours may have raised.

    Pydantic takes every ``ValueError`` of a validator for its own.
    """
    wrong: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False):
        found = each.get("ctx", {}).get("error")
        if isinstance(found, AIVideoAPIError):
            return found
        name = str(each["loc"][0]) if each["loc"] else "the settings"
        if each["type"] == "missing" and len(each["loc"]) > 1:  # a part of the setting, not the setting
            name += "".join(f"[{part!r}]" for part in each["loc"][1:])
        elif any(isinstance(part, int) for part in each["loc"][1:]):  # an item of a list
            name += "".join(f"[{part!r}]" for part in each["loc"][1:] if isinstance(part, int))
        said = each["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        wrong.setdefault(
            name, said.replace("Input should be", "must be").replace("Field required", "is missing")
        )
    return InvalidInputError("; ".join(f"{name} {said}" for name, said in wrong.items()))
