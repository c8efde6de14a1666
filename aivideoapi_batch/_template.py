"""A prompt as text with ``{field}`` in it. Other braces are text: prompts have JSON in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_batch._rows import BadRowError

_FIELD: Final = re.compile(r"\{([^\W\d][\w.\-]*)\}")


def filled(template: str, row: Mapping[str, Any]) -> str:
    """``template`` with the values of ``row``; what a value has in braces stays as it is. Raises ``BadRowError``."""

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        value = row.get(name)
        if value is None:
            raise BadRowError(f"the row has no {name!r}, which the prompt asks for", code="missing_field")
        return str(value) if not isinstance(value, (dict, list)) else _as_json(value)

    return _FIELD.sub(value_of, template)


def _as_json(value: Any) -> str:
    """As the row's file had it."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # dates in it, from a table
        return str(value)


def text_of(row: Mapping[str, Any], field: str) -> str:
    """The text in ``field``. Raises ``BadRowError``."""
    value = row.get(field)
    if value is None:
        raise BadRowError(f"the row has no {field!r}", code="missing_field")
    if not isinstance(value, str):
        raise BadRowError(f"{field!r} of the row is no text", code="not_text")
    return value
