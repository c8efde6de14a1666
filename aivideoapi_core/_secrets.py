"""Keeping the API key out of every text that a person or a log may see."""

from __future__ import annotations

import functools
import json
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from pydantic import SecretStr

EXCERPT_CHARS: Final = 500
"""How much of an unreadable body an error keeps."""
_KEY_LIKE: Final = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-]{4,}")
"""A key of the platform; "risk-free" and "task-based" are none."""


def redact(text: str, secret: SecretStr | None = None) -> str:
    """``text`` without ``secret`` and without anything that looks like a key of the platform."""
    if secret is not None:
        for form in _spellings(secret):
            text = text.replace(form, "***")
    return _KEY_LIKE.sub("sk-***", text) if "sk-" in text else text


@functools.lru_cache(maxsize=16)
def _spellings(secret: SecretStr) -> tuple[str, ...]:
    """A key as sent, as it stands inside JSON text, and as it stands inside a URL."""
    plain = secret.get_secret_value()
    return tuple(filter(None, dict.fromkeys((plain, json.dumps(plain)[1:-1], quote(plain, safe="")))))


def excerpt_of(body: bytes | str, secret: SecretStr | None = None) -> str:
    """A short piece of a body for an error text, on any bytes, without the key."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    # Redact before cutting: half a key is still a secret.
    text = redact(text, secret)
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + "…"


def without_tokens(servers: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    """The wire's ``mcp_servers`` for whoever may see them."""
    if servers is None:
        return None
    return [
        {name: value for name, value in server.items() if name != "authorization_token"} for server in servers
    ]


class hidden_arguments:  # noqa: N801 - a context manager, named as those of contextlib are
    """Around the body of a constructor: when it fails, no frame of it shows a key to whoever prints local variables.

    Keys are wrapped at once. A key may also stand in a header, a URL or a body's field, so what was given and set, and
    the variables of the frames below, are cleared at a failure. Of the exception that the caller handles just now, nothing is.
    """

    __slots__ = ("_handled", "_made", "_settings")

    def __init__(self, settings: dict[str, Any], made: object) -> None:
        _hide_keys(settings)
        self._settings, self._made, self._handled = settings, made, sys.exception()

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._settings.clear()
            vars(self._made).clear()
            _clear_frames(error, {id(self._handled)})


def _clear_frames(error: BaseException | None, seen: set[int]) -> None:
    """Of ``error``, its causes and contexts, and the errors that pydantic keeps."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    traceback.clear_frames(error.__traceback__)
    _clear_frames(error.__cause__, seen)
    _clear_frames(error.__context__, seen)
    details: Any = error.errors() if type(error).__name__ == "ValidationError" else ()  # type: ignore[attr-defined]  # pydantic's
    for detail in details:
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, BaseException):
            _clear_frames(inner, seen)


def _hide_keys(settings: dict[str, Any]) -> None:
    """Wrap every key in ``settings``, in place. What is no text stays wrong: its type takes its place."""
    if not settings:
        return
    from pydantic import SecretStr  # there by now

    for name in settings:
        if "key" in name.lower():
            given = settings[name]
            if given is not None and not isinstance(given, SecretStr):
                settings[name] = SecretStr(given) if isinstance(given, str) else type(given)
            del given
