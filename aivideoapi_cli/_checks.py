"""The checks of ``aivideoapi doctor``. Each yields what it found; none raises for what it looks for."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from aivideoapi_core.adapter_kit import pip_install

if TYPE_CHECKING:
    from aivideoapi_core import MessagesClient

DISTRIBUTION: Final = "aivideoapi-adapters"
MOST_CLOCK_DRIFT_S: Final = 120.0
"""TLS and signed requests start to fail when a clock is minutes off."""

_PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "SSL_CERT_FILE")
_TIMEOUT_S: Final = 10.0
_REQUIREMENT: Final = re.compile(
    r"([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*([^;]*)(?:;.*extra\s*==\s*['\"](\w+)['\"])?"
)


class Verdict(Enum):
    """How bad a finding is: only ``WRONG`` makes the command fail."""

    GOOD = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, what was found, and what to do about it if anything."""

    verdict: Verdict
    what: str
    found: str
    advice: str | None = None


_NOT_FOR_USERS: Final = frozenset({"dev", "docs", "examples", "benchmarks"})


def check_versions(*, everything: bool) -> Iterator[Finding]:
    """Python, this package, and the packages of its extras against what it requires.

    Without ``everything`` only what is installed: an extra that nobody chose is not missing.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(Verdict.GOOD, "Python", version)
    yield Finding(Verdict.GOOD, DISTRIBUTION, importlib.metadata.version(DISTRIBUTION))
    seen: set[str] = set()
    for line in importlib.metadata.requires(DISTRIBUTION) or ():
        match = _REQUIREMENT.match(line)
        if match is None or match[1] in seen or match[1] == DISTRIBUTION:
            continue
        if match[3] in _NOT_FOR_USERS and not everything:
            continue
        seen.add(match[1])
        if match[3] is not None and not everything and not _installed(match[1]):
            continue
        yield _check_requirement(match[1], match[2].strip(), extra=match[3])


def _check_requirement(name: str, wanted: str, *, extra: str | None) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            Verdict.NOTE,
            name,
            "not installed",
            f"{pip_install(extra or 'all')} if you need it",
        )
    if not satisfies(version, wanted):
        return Finding(
            Verdict.WRONG, name, f"{version}, but {wanted} is needed", f"pip install '{name}{wanted}'"
        )
    return Finding(Verdict.GOOD, name, version)


def satisfies(version: str, wanted: str) -> bool:
    """Whether ``version`` is within ``wanted``, a list such as ``<2,>=1.7`` (no other operators)."""
    numbers = _numbers(version)
    for clause in filter(None, (part.strip() for part in wanted.split(","))):
        operator, limit = re.match(r"[<>=]*", clause)[0], _numbers(clause.lstrip("<>= "))  # type: ignore[index]  # matches anything
        if operator == ">=" and numbers < limit:
            return False
        if operator == "<" and numbers >= limit:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:4])


def check_key() -> Iterator[Finding]:
    """The key's shape; the key itself is never shown."""
    from aivideoapi_core import API_KEY_ENV, InvalidInputError, resolve_api_key
    from aivideoapi_core.adapter_kit import check_key_shape

    try:
        secret = resolve_api_key(None)
        if (url := _base_url()) is not None:
            check_key_shape(secret, url)
    except InvalidInputError as error:
        yield Finding(Verdict.WRONG, "API key", *str(error).split("; ", 1))
    else:
        key = secret.get_secret_value()
        if key.startswith("sk-"):
            yield Finding(
                Verdict.GOOD, "API key", f"{API_KEY_ENV} is set, {len(key)} characters, starts with sk-"
            )
        else:
            yield Finding(
                Verdict.WRONG,
                "API key",
                f"{API_KEY_ENV} does not start with sk-",
                "copy the key again, whole",
            )


def _base_url() -> str | None:
    """Where calls go; ``None`` if nobody can say, which ``check_settings`` tells."""
    from aivideoapi_core import InvalidInputError, resolve_base_url

    try:
        return resolve_base_url(None)
    except InvalidInputError:
        return None


def check_settings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """The base URL, and what else is set around the connection."""
    from aivideoapi_core import BASE_URL_ENV, InvalidInputError, resolve_base_url, resolve_engine

    try:
        url = resolve_base_url(None)
    except InvalidInputError as error:
        yield Finding(Verdict.WRONG, "base URL", str(error), f"correct or unset {BASE_URL_ENV}")
    else:
        source = BASE_URL_ENV if environ.get(BASE_URL_ENV) else "the platform"
        yield Finding(Verdict.GOOD, "base URL", f"{url} ({source})")
    try:
        yield Finding(
            Verdict.GOOD, "HTTP engine", f"{resolve_engine(None)} for asynchronous calls, else httpx"
        )
    except InvalidInputError as error:
        yield Finding(Verdict.WRONG, "HTTP engine", *str(error).split("; ", 1))
    for name in _PROXIES:
        if environ.get(name) or environ.get(name.lower()):
            yield Finding(Verdict.NOTE, name, "is set, and used for every call")


def check_connection() -> Iterator[Finding]:
    """Whether the server answers, takes the key, and agrees on the time. Asks for the balance: that is free."""
    import httpx

    from aivideoapi_core import (
        InvalidInputError,
        MessagesClient,
        RetryPolicy,
        resolve_api_key,
        resolve_base_url,
    )
    from aivideoapi_core.adapter_kit import check_key_shape

    try:
        url, key = resolve_base_url(None), resolve_api_key(None)
        check_key_shape(key, url)
    except InvalidInputError:
        yield Finding(
            Verdict.NOTE, "connection", "not tried", "correct the key, or the base URL below, first"
        )
        return
    dates: list[str] = []
    with httpx.Client(
        event_hooks={"response": [lambda reply: dates.append(reply.headers.get("date", ""))]}
    ) as http:
        client = MessagesClient(
            api_key=key, base_url=url, timeout=_TIMEOUT_S, retry=RetryPolicy(max_retries=0), http_client=http
        )
        yield _check_balance(client)
    if dates and dates[0]:
        yield check_clock(dates[0], now=datetime.now(UTC))


def _check_balance(client: MessagesClient) -> Finding:
    from aivideoapi_core import AIVideoAPIError, APIConnectionError

    try:
        balance = client.credits().balance
    except APIConnectionError as error:
        return Finding(
            Verdict.WRONG, "connection", str(error), "check the network, the base URL and any proxy"
        )
    except AIVideoAPIError as error:
        return Finding(Verdict.WRONG, "account", str(error))
    if balance <= 0:
        return Finding(Verdict.WRONG, "account", "the key is good, but there are no credits", "top up")
    return Finding(Verdict.GOOD, "account", f"the key is good; {balance:,} credits left")


def check_clock(date: str, *, now: datetime) -> Finding:
    """Compare the server's ``Date`` with ``now``."""
    try:
        drift_s = (now - parsedate_to_datetime(date)).total_seconds()
    except (ValueError, TypeError):
        return Finding(Verdict.NOTE, "clock", "the server does not tell the time")
    if abs(drift_s) > MOST_CLOCK_DRIFT_S:
        ahead = "ahead of" if drift_s > 0 else "behind"
        return Finding(
            Verdict.WRONG, "clock", f"{abs(drift_s):.0f} s {ahead} the server's", "set this machine's clock"
        )
    return Finding(Verdict.GOOD, "clock", "agrees with the server's")


def check_registries() -> Iterator[Finding]:
    """Whether model strings and saved models of the installed frameworks find this package."""
    if _installed("langchain"):
        try:
            from langchain_aivideoapi.registry import register

            register()
        except (ImportError, RuntimeError) as error:
            yield Finding(
                Verdict.WRONG, "LangChain registry", str(error), "pass ChatAIVideoAPI objects instead"
            )
        else:
            yield Finding(Verdict.GOOD, "LangChain registry", 'register() enables "aivideoapi:<model id>"')
    if _installed("llama-index-core"):
        try:
            from llama_index.core.llms.loading import RECOGNIZED_LLMS

            from llamaindex_aivideoapi import AIVideoAPI
        except ImportError as error:
            yield Finding(Verdict.WRONG, "LlamaIndex registry", str(error), pip_install("all"))
            return
        if RECOGNIZED_LLMS.get(AIVideoAPI.class_name()) is AIVideoAPI:
            yield Finding(Verdict.GOOD, "LlamaIndex registry", "load_llm finds AIVideoAPI")
        else:
            yield Finding(
                Verdict.WRONG, "LlamaIndex registry", "load_llm finds another class", "rename that class"
            )


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def all_checks(*, everything: bool = False) -> Iterator[Finding]:
    """First what is wrong most often: the key, and the connection."""
    yield from check_key()
    yield from check_connection()
    yield from check_settings(os.environ)
    yield from check_registries()
    yield from check_versions(everything=everything)
