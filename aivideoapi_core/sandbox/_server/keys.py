"""Which keys are good: those that a test names, else every ``sk-`` key but three that always fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from aivideoapi_core.sandbox._platform.errors import SandboxError
from aivideoapi_core.sandbox._server.books import MICRO

_SPECIAL_KEYS: Final[Mapping[str, str]] = {
    "sk-sandbox-disabled": "disabled",
    "sk-sandbox-ip": "ip_not_allowed",
    "sk-sandbox-spend-limit": "spend_limit",
}


def good_key(
    headers: Mapping[str, str],
    keys: Mapping[str, str | int | None] | None,
    *,
    spent_by: Callable[[str], int],
) -> str:
    """The key in ``headers``. Raises ``SandboxError`` for one that may not be used.

    ``keys``: see ``Config``. ``spent_by``: what a key has spent, in microcredits.
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise SandboxError("invalid_api_key", "send the key as 'Authorization: Bearer sk-...'")
    if not key.startswith("sk-"):
        raise SandboxError("invalid_api_key", "the API key is malformed: a key starts with 'sk-'")
    rule: str | int | None = _SPECIAL_KEYS.get(key, "ok")
    if keys is not None:
        if key not in keys:
            raise SandboxError("invalid_api_key", "the API key does not exist or was deleted")
        rule = keys[key]
    if rule == "disabled":
        raise SandboxError("invalid_api_key", "the API key is disabled")
    if rule == "ip_not_allowed":
        raise SandboxError("ip_not_allowed", "the caller's IP 127.0.0.1 is not on the key's allowlist")
    if rule == "spend_limit" or (isinstance(rule, int) and spent_by(key) >= rule * MICRO):
        raise SandboxError("spend_limit_exceeded", "the key's total spend limit has been reached")
    return key
