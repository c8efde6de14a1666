"""Rules for rows, and what is said of a row that breaks one."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from aivideoapi_core import InvalidInputError

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


def check_text(argument: str, value: Any) -> str:
    """``value``, if it is text and not blank. Raises ``InvalidInputError``."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{argument} must be a text, not {value!r}")
    return value


def check_rows(rows: Any) -> None:
    """Raises ``InvalidInputError`` for what gives no rows one by one: each of its letters or keys would be a failed row."""
    columns = getattr(rows, "columns", None)
    if columns is not None and not callable(
        columns
    ):  # a method is that of a result of a database, which gives rows
        raise InvalidInputError(
            "rows must be dicts, and a table gives its columns: call the job with it, job(table), or give its rows "
            "(pandas: table.to_dict('records'))"
        )
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, (Iterable, AsyncIterable)):
        kind = f"{rows!r:.60}" if isinstance(rows, (str, bytes)) else f"a {type(rows).__name__}"
        raise InvalidInputError(
            f"rows must be a list or another iterable of dicts, one for each row, not {kind}; "
            "for a file of JSON Lines: map(json.loads, open(path))"
        )


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
