"""The two tools of the demo's agent. Plain functions: their names and docstrings are what the model sees."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

_LONGEST: Final = 200
_LARGEST_POWER: Final = 64
_PLACES: Final = 10
_REFUSED: Final = "not calculated:"

_BINARY: Final[Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction | int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def calculate(expression: str) -> str:
    """Work out an arithmetic expression such as (18 * 300 + 42 * 1500) / 1000000, exactly."""
    value = value_of(expression)
    return value if value.startswith(_REFUSED) else f"{expression.strip()} = {value}."


def value_of(expression: str) -> str:
    """The value alone, or ``not calculated: `` and the reason."""
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
        if len(expression) > _LONGEST:
            return f"{_REFUSED} more than {_LONGEST} characters"
        return _plain(_value(tree.body))
    except ZeroDivisionError:
        return f"{_REFUSED} division by zero"
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{_REFUSED} {expression!r} is not arithmetic ({error})"


def look_up_prices(model: str) -> str:
    """Look up the prices of a model id in the price list: credits per million input and output tokens."""
    from aivideoapi_core import known_models, prices_of

    model = model.strip()
    prices = prices_of(model)
    if prices is None:
        return f"{model} is not in the price list, which has {', '.join(info.id for info in known_models())}."
    text = (
        f"{model} costs {prices.input} credits per million input tokens "
        f"and {prices.output} credits per million output tokens"
    )
    if prices.cache_read is not None:
        text += f", {prices.cache_read} per million tokens read from the cache"
    return text + "."


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, power = _value(left), _value(right)
            if power.denominator != 1 or abs(power) > _LARGEST_POWER:
                raise ValueError(f"powers are whole numbers up to {_LARGEST_POWER}")
            return Fraction(base**power)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return Fraction(_BINARY[type(op)](_value(left), _value(right)))
        case _:
            raise ValueError("only numbers, + - * / // % ** and brackets are understood")


def _plain(value: Fraction) -> str:
    """The number without an exponent: exact if its decimals end early, else to ten places."""
    if value.denominator == 1:
        return str(value.numerator)
    scaled = round(value * 10**_PLACES)
    sign, digits = "-" if scaled < 0 else "", f"{abs(scaled):0{_PLACES + 1}d}"
    text = f"{sign}{digits[:-_PLACES]}.{digits[-_PLACES:]}".rstrip("0")
    return text if Fraction(text.rstrip(".") or "0") == value else f"about {text.rstrip('.')}"
