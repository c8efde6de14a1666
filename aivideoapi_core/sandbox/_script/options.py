"""What an option of a script or a sandbox may be: a wrong one is told where it is written, not by the server.

Each raises ``ValueError`` that names the option.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any


def check_texts(where: str, values: Mapping[str, Any]) -> None:
    """Of ``values``, each is text or ``None``."""
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{where}: {name} must be text, not {value!r}")


def check_choice(where: str, name: str, value: Any, choices: Sequence[Any]) -> None:
    """``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def check_number(where: str, name: str, value: Any, *, least: float = 0, whole: bool = False) -> None:
    """``value`` is a finite number, ``whole`` or not, of at least ``least``."""
    is_number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < least:
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{where}: {name} must be {kind} of at least {least}, not {value!r}")


def check_credits(where: str, value: Any) -> None:
    """``value`` reads as credits, as an answer reports them; ``None`` leaves them to the sandbox."""
    try:
        if isinstance(value, bool) or (
            value is not None and not isinstance(value, (int, float, str, Decimal))
        ):
            raise InvalidOperation
        Decimal(str(value or 0))
    except InvalidOperation:
        raise ValueError(f"{where}: credits must be a number of credits, not {value!r}") from None


def check_mappings(where: str, name: str, value: Any, *, needs: str | None = None) -> None:
    """``value`` is a list of mappings, each with the key ``needs``."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        raise ValueError(f"{where}: {name} must be a list of dicts, not {value!r}")
    for item in value:
        if not isinstance(item, Mapping) or (needs is not None and needs not in item):
            has = "" if needs is None else f" with {needs!r}"
            raise ValueError(f"{where}: {name} must be a list of dicts{has}; one is {item!r}")


def check_pieces(where: str, value: Any) -> None:
    """``value`` says how a text is cut: characters per delta, or the pieces themselves."""
    if value is None or (isinstance(value, Sequence) and not isinstance(value, (str, bytes))):
        return
    check_number(where, "pieces", value, least=1, whole=True)
