"""The engines that carry asynchronous requests below httpx's interface: httpx's own, or a faster one.

Measured on one stream of 1,000 deltas and on 200 streams of 40 at once, CPU per event: httpx 17 and 43 µs,
aiohttp 4 and 16 µs (``python -m benchmarks.engines``). Synchronous requests stay with httpx: the one faster engine
behind its interface cannot be used in a process that was forked after it was first used, which servers do.
"""

from __future__ import annotations

import functools
import os
import re
import types
from collections.abc import Callable
from typing import Any, Final

import httpx

from aivideoapi_core._errors import InvalidInputError

ENGINE_ENV: Final = "AIVIDEOAPI_HTTP_ENGINE"
LEAST_AIOHTTP: Final = "3.12.7"
"""The lower bound of the extra ``fast``: what an older one lacks is found out in the middle of a call."""
ENGINES: Final = ("auto", "httpx", "aiohttp")


def resolve_engine(name: str | None) -> str:
    """``httpx`` or ``aiohttp``: as named, else by ``AIVIDEOAPI_HTTP_ENGINE``, else the fastest that is installed.

    Raises ``InvalidInputError`` for a name that is none of ``ENGINES``, and for an engine that is not installed or too
    old: LlamaIndex brings aiohttp without asking for one that is new enough here, and httpx does its work then.
    """
    wanted = name or os.environ.get(ENGINE_ENV) or "auto"
    if wanted not in ENGINES:
        raise InvalidInputError(
            f"http_engine={wanted!r} is none of {', '.join(ENGINES)}; check {ENGINE_ENV} too"
        )
    if wanted == "httpx":
        return wanted
    installed = _aiohttp_version()
    if wanted == "aiohttp" and installed is None:
        raise InvalidInputError("http_engine='aiohttp' needs the package aiohttp: install the extra 'fast'")
    is_new_enough = installed is not None and _numbers(installed) >= _numbers(LEAST_AIOHTTP)
    if wanted == "aiohttp" and not is_new_enough:
        raise InvalidInputError(
            f"http_engine='aiohttp' needs aiohttp {LEAST_AIOHTTP} or newer, and {installed} is installed: "
            f"pip install 'aiohttp>={LEAST_AIOHTTP}'"
        )
    return "aiohttp" if is_new_enough else "httpx"


@functools.cache
def _aiohttp_version() -> str | None:
    """From its metadata: importing it takes as long as a whole framework, and the first call does it."""
    from importlib import metadata  # which brings zipfile and csv, and synchronous calls never ask

    try:
        return metadata.version("aiohttp")
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def is_replaced(method: Callable[..., Any], *, file: str) -> bool:
    """Whether somebody has put a function of their own in the place of ``method``, which is defined in ``file``."""
    return type(method) is not types.FunctionType or method.__code__.co_filename != file


_TRANSPORT_FILE: Final = httpx.AsyncHTTPTransport.aclose.__code__.co_filename


def httpx_is_intercepted() -> bool:
    """Whether requests are expected at httpx's own transport: by a mock, a recorder or an instrumentation.

    Such tools replace a method of httpx's or httpcore's, at any time; what goes another way they do not see.
    """
    httpcore, pool_file = _httpcore()
    return is_replaced(httpx.AsyncHTTPTransport.handle_async_request, file=_TRANSPORT_FILE) or is_replaced(
        httpcore.AsyncConnectionPool.handle_async_request, file=pool_file
    )


@functools.cache
def _httpcore() -> tuple[Any, str]:
    """The module, and the file of its pool."""
    import httpcore  # and with it all of its engines, for those who make connections

    return httpcore, httpcore.AsyncConnectionPool.aclose.__code__.co_filename
