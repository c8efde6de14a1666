"""The target of requests, and their key: pure checks that run before any I/O."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import itertools
import os
import re
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from aivideoapi_core._errors import InvalidInputError

API_KEY_ENV: Final = "AIVIDEOAPI_API_KEY"
BASE_URL_ENV: Final = "AIVIDEOAPI_BASE_URL"
DEFAULT_BASE_URL: Final = "https://api.aivideoapi.ai"

_MISSPELT: Final = frozenset(
    {
        *("AIVIDEOAPIKEY", "AIVIDEOAPIAPIKEY", "AIVIDEOKEY", "AIVIDEOAPITOKEN", "AIVIDEOAPISECRETKEY"),
        "ANTHROPICAPIKEY",  # of a program that was moved over
    }
)
"""Names of variables in capitals without underscores."""

_IN_FILE: Final = re.compile(rf"\s*(export\s+)?{API_KEY_ENV}\s*=\s*\S")
_LONGEST_FILE: Final = 1000
"""Lines."""

_AMBIGUOUS: Final = re.compile(r'[\s\\<>"{}|^`]')
"""What parsers of URLs disagree about."""


def resolve_api_key(api_key: str | SecretStr | None) -> SecretStr:
    """The key as given, else from ``AIVIDEOAPI_API_KEY``. Raises ``InvalidInputError`` if there is none."""
    key, api_key = as_secret(api_key), None  # a traceback that shows local variables must not show the key
    if isinstance(key, _NoText):
        raise InvalidInputError(f"api_key must be text, not {key.kind}")
    if not key:
        raise InvalidInputError(
            f"no API key: pass api_key=, or set {API_KEY_ENV}{_elsewhere()}; 'aivideoapi sandbox' works without one"
        )
    if fault := _fault_of(key):
        raise InvalidInputError(f"the API key {fault}")
    return key


def _elsewhere() -> str:
    """Where the key may be instead, in parentheses after a blank; empty if nothing looks like it."""
    if API_KEY_ENV in os.environ:
        return " (it is set, to nothing)"
    for name in os.environ:
        if name.upper().replace("_", "") in _MISSPELT:
            return f" ({name} is set, and not read)"
    with contextlib.suppress(OSError, UnicodeDecodeError), open(".env", encoding="utf-8") as file:
        if any(_IN_FILE.match(line) for line in itertools.islice(file, _LONGEST_FILE)):
            return (
                " (the .env of this folder has it, and is not read: use python-dotenv, or 'set -a; . ./.env')"
            )
    return ""


def as_secret(api_key: object) -> SecretStr:
    """The key as given, else from the environment, unchecked; empty if there is none.

    Never raises: the frames above still hold the key as it was given. ``resolve_api_key`` does.
    """
    if api_key is None:
        api_key = os.environ.get(API_KEY_ENV, "")
    if isinstance(api_key, _NoText):
        return api_key
    if not isinstance(api_key, (str, SecretStr)):
        return _NoText((api_key if isinstance(api_key, type) else type(api_key)).__name__)
    return SecretStr((api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key).strip())


class EnvironmentKey(SecretStr):
    """A key that came from the environment. A pickle holds none, and reads the environment where it is loaded."""

    @classmethod
    def read(cls) -> SecretStr | None:
        """The key in ``AIVIDEOAPI_API_KEY``, if there is one."""
        key = os.environ.get(API_KEY_ENV)
        return cls(key) if key else None

    def __reduce__(self) -> tuple[Any, ...]:
        return EnvironmentKey.read, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self.get_secret_value() == other.get_secret_value()

    __hash__ = SecretStr.__hash__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class _NoText(SecretStr):
    """Stands for a key that is none, of which only the type is kept."""

    def __init__(self, kind: str) -> None:
        super().__init__("")
        self.kind = kind


def _fault_of(key: SecretStr) -> str:
    """What is wrong with ``key`` and what to do, without a letter of it; empty if it can be sent."""
    text = key.get_secret_value()
    if text[:7].lower() == "bearer ":
        return "begins with 'Bearer': pass what comes after it"
    if text[0] in "\"'":
        return "is in quotation marks: leave them out"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "has blanks, control or non-ASCII characters; copy it again"
    return ""


def resolve_base_url(base_url: str | None, *, allow_http: bool = False) -> str:
    """The origin and path before ``/v1``, without a trailing slash.

    ``None`` means ``AIVIDEOAPI_BASE_URL``, then the platform. A ``/v1`` or ``/v1/messages`` at the
    end is taken off, since both forms are copied from documentation. Plain http is for the loopback
    address only, unless ``allow_http``: the key would travel in the clear.
    """
    if base_url is not None and not isinstance(base_url, str):
        raise InvalidInputError(f"base_url must be a URL such as {DEFAULT_BASE_URL!r}, not {base_url!r}")
    return _origin((base_url or os.environ.get(BASE_URL_ENV) or DEFAULT_BASE_URL).strip(), bool(allow_http))


@functools.lru_cache(maxsize=16)
def _origin(url: str, allow_http: bool) -> str:
    parts = _split(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInputError("base_url must not carry credentials, a query or a fragment")
    if parts.scheme == "http" and not allow_http and not _is_loopback(parts.hostname or ""):
        raise InvalidInputError(
            f"base_url={url!r} would send the API key unencrypted; use https, or allow_http=True to accept that"
        )
    path = parts.path.rstrip("/")
    path = path.removesuffix("/messages") if path.endswith("/v1/messages") else path
    path = path.removesuffix("/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _split(url: str) -> SplitResult:
    """The parts of an http(s) URL. The standard parser drops control characters, so they are refused first."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    is_plain = url.isascii() and url.isprintable() and not _AMBIGUOUS.search(url)
    if not is_plain or not port_is_fine or parts.scheme not in ("https", "http") or not parts.hostname:
        # The URL itself is not shown: a key that was passed in its place would be.
        raise InvalidInputError(
            f"base_url is not an http(s) URL such as {DEFAULT_BASE_URL!r}; check base_url=, or {BASE_URL_ENV}"
        )
    return parts


# UNVERIFIED: that none of the platform's own keys begins like one of these; its pages say `sk-` and no more.
_OF_OTHERS: Final = {"sk-ant-": "Anthropic", "sk-or-": "OpenRouter", "sk-proj-": "OpenAI"}
"""Beginnings of the keys of other providers, who alone should see them."""


def check_key_shape(api_key: SecretStr, base_url: str) -> None:
    """The platform's own keys start with ``sk-``; other hosts may use any. No key of another provider's goes there."""
    own_host = urlsplit(DEFAULT_BASE_URL).hostname
    if urlsplit(base_url).hostname != own_host:
        return
    key = api_key.get_secret_value()
    if not key.startswith("sk-"):
        raise InvalidInputError(f"the API key for {own_host} must start with 'sk-'; check {API_KEY_ENV}")
    for beginning, provider in _OF_OTHERS.items():
        if key.startswith(beginning):
            raise InvalidInputError(
                f"the API key starts with {beginning!r} and is one of {provider}'s, which {own_host} must not see: "
                f"take the platform's own; check {API_KEY_ENV}"
            )


def is_loopback_url(base_url: str) -> bool:
    """Whether the URL is plain http to this machine."""
    if not isinstance(base_url, str):
        raise InvalidInputError(f"base_url must be a URL such as {DEFAULT_BASE_URL!r}, not {base_url!r}")
    parts = urlsplit(base_url)
    return parts.scheme == "http" and _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
