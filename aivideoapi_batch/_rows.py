"""Rules for rows, and what is said of a row that breaks one."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

NOT_A_MAPPING: Final = "BadRow not_a_mapping"
NO_ID: Final = "BadRow no_id"
TWICE: Final = "BadRow duplicate_id"


class BadRowError(ValueError):
    """A row that cannot be called. ``code`` says why: ``missing_field``, ``not_text``.

    The text names the field, never what is in it.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def id_of(row: Any, field: str) -> tuple[str | None, str | None]:
    """The id of ``row`` as text, and ``None``; or ``None`` and what is wrong with the row.

    Text, whole numbers and UUIDs are ids. ``1`` and ``"1"`` are the same one, so that a table means
    the same as JSON Lines and as CSV. Blank text, floats (NaN is how tables say "missing") and lists are none.
    """
    if not isinstance(row, Mapping):
        return None, NOT_A_MAPPING
    value = row.get(field)
    if isinstance(value, str):
        return (value, None) if value.strip() else (None, NO_ID)
    if isinstance(value, UUID):
        return str(value), None
    if value is None or isinstance(value, bool):
        return None, NO_ID
    try:
        return str(operator.index(value)), None  # int, and the whole numbers of numpy
    except (TypeError, ValueError):  # of more digits than Python writes (4,300)
        return None, NO_ID
