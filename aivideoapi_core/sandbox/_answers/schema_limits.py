"""Values within what a JSON schema allows: numbers, lengths, patterns."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any


def limited(number: int | float, schema: Mapping[str, Any], *, integer: bool) -> int | float:
    """Bring a number inside the schema's limits."""
    low, high = schema.get("minimum"), schema.get("maximum")
    multiple = schema.get("multipleOf")
    step = multiple or (1 if integer else 0.5)
    if (above := schema.get("exclusiveMinimum")) is not None and not isinstance(above, bool):
        low = max(above + step, low if low is not None else -math.inf)
    if (below := schema.get("exclusiveMaximum")) is not None and not isinstance(below, bool):
        high = min(below - step, high if high is not None else math.inf)
    value = number
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    if multiple:
        value = round(value / step) * step
        value = value + step if low is not None and value < low else value
    return int(value) if integer else value


def sized(text: str, schema: Mapping[str, Any]) -> str:
    """Bring a text inside the schema's length limits."""
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if isinstance(least, int):
        text = text.ljust(least, ".")
    return text[:most] if isinstance(most, int) else text


def matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True
