"""Pools, by which a request goes out through httpx: over connections of our own, or through the caller's client.

Our own connections are httpx's transports. The client that httpx puts around them keeps cookies,
follows redirects and runs authentication flows and hooks: a seventh of what a call costs, and
nothing that is wanted here. A client is put around them where the environment names a proxy, because
choosing the proxy is its work, and where somebody watches clients (Sentry, ddtrace, New Relic), because
that is where they look. Each ``pool`` below is a pair: what sends one request, what closes.

Methods of httpx are looked up at each call: whoever instruments them may do so after we were made.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._http.engines import httpx_is_intercepted, is_replaced
from aivideoapi_core._http.target import is_loopback_url

Timeout: TypeAlias = float | httpx.Timeout | None
_C = TypeVar("_C", httpx.Client, httpx.AsyncClient)

KEEPALIVE_S: Final = 30.0


class Pool(NamedTuple):
    """What sends a request and returns with the head of the reply, and what closes the connections."""

    send: Callable[[httpx.Request], httpx.Response]
    close: Callable[[], None]


class AsyncPool(NamedTuple):
    """The asynchronous twin of ``Pool``. ``transport``: httpx's, if it is ours."""

    send: Callable[[httpx.Request], Awaitable[httpx.Response]]
    aclose: Callable[[], Awaitable[None]]
    transport: httpx.AsyncBaseTransport | None = None


def own_pool(base_url: str, limits: httpx.Limits) -> Pool:
    """New connections to ``base_url``."""
    if _may_be_proxied(base_url):
        return given_pool(httpx.Client(verify=_authorities(), limits=limits))
    transport = httpx.HTTPTransport(verify=_context(base_url), limits=limits)
    watched = functools.cache(lambda: given_pool(httpx.Client(transport=transport, trust_env=False)))

    def send(request: httpx.Request) -> httpx.Response:
        if _is_watched(httpx.Client):
            return watched().send(request)
        return transport.handle_request(request)

    return Pool(send, transport.close)


def own_async_pool(base_url: str, limits: httpx.Limits, *, engine: str = "httpx") -> AsyncPool:
    """The asynchronous twin of ``own_pool``, on one of the ``engines``."""
    if _may_be_proxied(base_url):
        return given_async_pool(httpx.AsyncClient(verify=_authorities(), limits=limits))
    plain = httpx.AsyncHTTPTransport(verify=_context(base_url), limits=limits)
    fast = None if engine == "httpx" else _fast_transport(base_url, limits)
    watched = functools.cache(lambda: given_async_pool(httpx.AsyncClient(transport=plain, trust_env=False)))

    def send(request: httpx.Request) -> Awaitable[httpx.Response]:
        if _is_watched(httpx.AsyncClient):
            return watched().send(request)
        if fast is None or httpx_is_intercepted():
            return plain.handle_async_request(request)
        return fast.handle_async_request(request)

    async def aclose() -> None:
        await plain.aclose()
        if fast is not None:
            await fast.aclose()

    return AsyncPool(send, aclose, plain)


def _fast_transport(base_url: str, limits: httpx.Limits) -> httpx.AsyncBaseTransport:
    from aivideoapi_core._http.aiohttp_transport import AiohttpTransport  # 0.1 s, for those who have it

    return AiohttpTransport(verify=_context(base_url), limits=limits)


def given_pool(client: httpx.Client) -> Pool:
    """The connections of ``client``; redirects are never followed, they would be sent the key."""

    def send(request: httpx.Request) -> httpx.Response:
        return client.send(request, stream=True, follow_redirects=False, **_own_auth(client))

    return Pool(send, client.close)


def given_async_pool(client: httpx.AsyncClient) -> AsyncPool:
    """The asynchronous twin of ``given_pool``."""

    def send(request: httpx.Request) -> Awaitable[httpx.Response]:
        return client.send(request, stream=True, follow_redirects=False, **_own_auth(client))

    return AsyncPool(send, client.aclose)


class _OurKey(httpx.Auth):
    """The caller's ``auth``, for whatever a gateway wants; ``Authorization`` stays what we have put there."""

    def __init__(self, theirs: httpx.Auth) -> None:
        self._theirs = theirs

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See ``httpx.Auth``."""
        key, flow = request.headers["authorization"], self._theirs.sync_auth_flow(request)
        try:
            asked = next(flow)
            while True:
                asked.headers["authorization"] = key
                asked = flow.send((yield asked))
        except StopIteration:
            return
        finally:
            flow.close()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See ``httpx.Auth``."""
        key, flow = request.headers["authorization"], self._theirs.async_auth_flow(request)
        try:
            asked = await anext(flow)
            while True:
                asked.headers["authorization"] = key
                asked = await flow.asend((yield asked))
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()


def _own_auth(client: httpx.Client | httpx.AsyncClient) -> dict[str, Any]:
    auth = getattr(client, "auth", None)
    return {} if auth is None else {"auth": _OurKey(auth)}


def _is_watched(client: type[httpx.Client | httpx.AsyncClient]) -> bool:
    """Whether somebody has replaced ``send`` of httpx's clients in order to see what is sent, or, as respx may, the
    choice of a transport, which is a private method.
    """
    choice = getattr(client, "_transport_for_url", client.send)
    return is_replaced(client.send, file=_CLIENT_FILE) or is_replaced(choice, file=_CLIENT_FILE)


_CLIENT_FILE: Final = httpx.Client.build_request.__code__.co_filename


def checked_client(http_client: _C | None, wanted: type[_C]) -> _C | None:
    """The caller's own client, unless it is of the other colour."""
    other: tuple[type, ...] = (httpx.Client, httpx.AsyncClient)
    if isinstance(http_client, other) and not isinstance(http_client, wanted):
        raise InvalidInputError(f"http_client must be an httpx.{wanted.__name__} here")
    if http_client is not None and not (
        hasattr(http_client, "send") and hasattr(http_client, "build_request")
    ):
        raise InvalidInputError(
            f"http_client must be an httpx.{wanted.__name__}, not a {type(http_client).__name__}"
        )
    return http_client


def check_open(http_client: httpx.Client | httpx.AsyncClient) -> None:
    """Raise ``InvalidInputError`` for a client of the caller's that is closed."""
    if getattr(http_client, "is_closed", False):
        raise InvalidInputError("http_client is closed; pass one that is open for as long as it is used")


def _may_be_proxied(base_url: str) -> bool:
    # A proxy from the environment would be sent the key of a plain-http request in the clear.
    # NO_PROXY is read by the client, which then goes straight there.
    named = getproxies()
    return not is_loopback_url(base_url) and any(named.get(key) for key in (urlsplit(base_url).scheme, "all"))


def _context(base_url: str) -> ssl.SSLContext:
    return _no_authorities() if is_loopback_url(base_url) else _authorities()


@functools.cache
def _authorities() -> ssl.SSLContext:
    """One TLS context per process: making one costs 20 ms."""
    return httpx.create_ssl_context()


@functools.cache
def _no_authorities() -> ssl.SSLContext:
    """For plain http on the loopback address: trusts nobody, and costs nothing to make."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def checked_timeout(timeout: Timeout) -> Timeout:
    """``timeout``, or ``InvalidInputError`` for what is none."""
    if timeout is None or isinstance(timeout, httpx.Timeout):
        return timeout
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < float("inf"):
        raise InvalidInputError(
            f"timeout must be a positive number of seconds, an httpx.Timeout or None, not {timeout!r}"
        )
    return timeout


def timeout_parts_s(timeout: Timeout) -> dict[str, float | None]:
    """The seconds of each part of a timeout, as httpx's transports take them."""
    return httpx.Timeout(timeout).as_dict()
