"""Small checks that every part of the validation shares; each raises a 400 that names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from aivideoapi_core.sandbox._platform.errors import bad_request

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def require_mapping(value: Any, path: str) -> Mapping[str, Any]:
    """``value`` if it is a JSON object."""
    if value is None:
        raise bad_request(f"{path}: field required")
    if not isinstance(value, Mapping):
        raise bad_request(f"{path}: Input should be a valid object")
    return value


def require_list(value: Any, path: str) -> list[Any]:
    """``value`` if it is a JSON array."""
    if value is None:
        raise bad_request(f"{path}: field required")
    if not isinstance(value, list):
        raise bad_request(f"{path}: Input should be a valid array")
    return value


def require_string(value: Any, path: str) -> str:
    """``value`` if it is a string."""
    if value is None:
        raise bad_request(f"{path}: field required")
    if not isinstance(value, str):
        raise bad_request(f"{path}: Input should be a valid string")
    return value


def is_integer(value: Any) -> TypeGuard[int]:
    """An integer that is no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[int | float]:
    """A number that is no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_tool_name(value: Any, path: str) -> None:
    """The name of a tool, among the tools and in the turns alike."""
    if not _TOOL_NAME.fullmatch(require_string(value, path)):
        raise bad_request(f"{path}: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")


def check_cache_control(value: Any, path: str) -> None:
    """``{"type": "ephemeral", "ttl"?: "5m" | "1h"}`` or nothing."""
    if value is None:
        return
    mark = require_mapping(value, path)
    if mark.get("type") != "ephemeral":
        raise bad_request(f"{path}.type: Input should be 'ephemeral'")
    if mark.get("ttl", "5m") not in ("5m", "1h"):
        raise bad_request(f"{path}.ttl: Input should be '5m' or '1h'")
    for field in mark:
        if field not in ("type", "ttl"):
            raise bad_request(f"{path}.{field}: Extra inputs are not permitted")
