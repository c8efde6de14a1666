"""Errors of constructors: errors of ours that are ``ValueError`` too, out of pydantic's words and our own; and of arguments
that are not there, in place of Python's ``TypeError``.

Parsers of command lines and pydantic's validators know ``ValueError`` alone; calls raise none, see ``InvalidInputError``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

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
            return known(*args, **kwargs)
        except InvalidInputError as error:
            raise as_value_error(error) from error.__cause__

    known = with_known_arguments(make)
    return making


def with_known_arguments(
    make: Callable[_P, _T], *, name: str | None = None, advice: Mapping[str, str] | None = None
) -> Callable[_P, _T]:
    """A function or constructor that says by ``InvalidInputError`` which argument it has not, or lacks: Python says only
    how many there were. ``name``: what errors call it. ``advice``: what to do about names that people bring along. Nothing
    is asked of a call that fits.
    """
    called = name or make.__qualname__.removesuffix(".__init__")

    @wraps(make)
    def making(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return make(*args, **kwargs)
        except TypeError:
            wrong = _misfit(called, inspect.signature(make), args, kwargs, advice or {})
            if wrong is None:  # it came from within
                raise
        raise InvalidInputError(wrong)

    return making


def with_known_fields(cls: type[_T]) -> type[_T]:
    """A dataclass, with ``with_known_arguments`` for its constructor."""
    made: Any = cls
    made.__init__ = with_known_arguments(made.__init__)
    return cls


_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _misfit(
    name: str,
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    advice: Mapping[str, str],
) -> str | None:
    """What is wrong with the arguments of a call, or ``None`` if they fit."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        said = str(error)
    else:
        return None
    known = [each for given, each in signature.parameters.items() if given not in ("self", "cls")]
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known)
    names = [each.name for each in known if each.kind not in _VARIADIC]
    unknown = [] if takes_any else [given for given in kwargs if given not in names]
    if unknown:
        return f"{unknown[0]!r} is not an argument of {name}: {advice.get(unknown[0]) or _meant(unknown[0], names)}"
    lacking = [
        each.name
        for position, each in enumerate(known, start=len(signature.parameters) - len(known))
        if each.default is each.empty
        and each.kind not in _VARIADIC
        and each.name not in kwargs
        and (each.kind not in _POSITIONAL or position >= len(args))
    ]
    by_position = [each.name for each in known if each.kind in _POSITIONAL]
    if len(args) > len(signature.parameters) - len(known) + len(by_position):
        first = (
            f"only {', '.join(by_position)} without its name"
            if by_position
            else "no argument without its name"
        )
        others = [each for each in names if each not in by_position]
        return f"{name} takes {first}; by name: {', '.join(f'{each}=' for each in others) or 'nothing'}"
    if lacking:
        return f"{name} needs {', '.join(f'{each}=' for each in lacking)}"
    return f"{name}: {said}"


_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _meant(given: str, names: list[str]) -> str:
    from difflib import get_close_matches  # only for those who mistype

    near = get_close_matches(given, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(names) or 'none'}"


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
        if name == "model" and each["type"] == "string_type":
            each["msg"] = "must be a model id such as 'claude-sonnet-4-6'"
        said = each["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        wrong.setdefault(
            name, said.replace("Input should be", "must be").replace("Field required", "is missing")
        )
    return InvalidInputError("; ".join(f"{name} {said}" for name, said in wrong.items()))
