"""One request as it arrived, and as it is kept for whoever looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aivideoapi_core.sandbox._platform.catalog import is_native


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One parsed request; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """What the sandbox was sent; the key is left out (``Authorization`` is kept as ``Bearer ***``)."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    key_was_sent: bool
    connection_id: int


@dataclass(frozen=True, slots=True)
class NotJson:
    """A body that is no JSON, and why."""

    reason: str


def parsed(body: bytes) -> Any:
    """A body as JSON; ``None`` for an empty one, ``NotJson`` for what is none."""
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        return NotJson(str(error))


def streams(body: Mapping[str, Any]) -> bool:
    """The native route streams unless told otherwise; the direct-forward route does not."""
    value = body.get("stream")
    return value if isinstance(value, bool) else is_native(str(body["model"]))
