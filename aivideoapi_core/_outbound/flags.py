"""Switches: arguments that are ``True`` or ``False``. ``"no"`` would be taken for yes."""

from __future__ import annotations

from typing import Any

from aivideoapi_core._errors import InvalidInputError


def check_flag(name: str, value: Any) -> None:
    """Raise ``InvalidInputError`` unless ``value``, given as ``name``, is ``True``, ``False`` or ``None``."""
    if value is not None and value is not True and value is not False:
        raise InvalidInputError(f"{name} must be True or False, not {value!r}")
