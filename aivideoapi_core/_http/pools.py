"""How a request goes out through httpx: over connections of our own, or through the caller's client.

Our own connections are httpx's transports. The client that httpx puts around them keeps cookies,
follows redirects and runs authentication flows and hooks: a seventh of what a call costs, and
nothing that is wanted here. Only where the environment names a proxy is a client made, because
choosing the proxy is its work. Each ``pool`` below is a pair: what sends one request, what closes.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.request import getproxies

import httpx

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._http.target import is_loopback_url

Timeout: TypeAlias = float | httpx.Timeout | None
_C = TypeVar("_C", httpx.Client, httpx.AsyncClient)

KEEPALIVE_S: Final = 30.0
END_GRACE_S: Final = 1.0
"""For the end of a body that has said all it had to: much for a server that ends it, little for a caller."""


class Pool(NamedTuple):
    """What sends a request and returns with the head of the reply, and what closes the connections."""

    send: Callable[[httpx.Request], httpx.Response]
    close: Callable[[], None]


class AsyncPool(NamedTuple):
    """The asynchronous twin of ``Pool``."""

    send: Callable[[httpx.Request], Awaitable[httpx.Response]]
    aclose: Callable[[], Awaitable[None]]


def own_pool(base_url: str, limits: httpx.Limits) -> Pool:
    """New connections to ``base_url``."""
    if _may_be_proxied(base_url):
        return given_pool(httpx.Client(verify=_authorities(), limits=limits))
    transport = httpx.HTTPTransport(verify=_context(base_url), limits=limits)
    return Pool(transport.handle_request, transport.close)


def own_async_pool(base_url: str, limits: httpx.Limits) -> AsyncPool:
    """The asynchronous twin of ``own_pool``."""
    if _may_be_proxied(base_url):
        return given_async_pool(httpx.AsyncClient(verify=_authorities(), limits=limits))
    transport = httpx.AsyncHTTPTransport(verify=_context(base_url), limits=limits)
    return AsyncPool(transport.handle_async_request, transport.aclose)


def given_pool(client: httpx.Client) -> Pool:
    """The connections of ``client``; redirects are never followed, they would be sent the key."""
    return Pool(functools.partial(client.send, stream=True, follow_redirects=False), client.close)


def given_async_pool(client: httpx.AsyncClient) -> AsyncPool:
    """The asynchronous twin of ``given_pool``."""
    return AsyncPool(functools.partial(client.send, stream=True, follow_redirects=False), client.aclose)


def checked_client(http_client: _C | None, wanted: type[_C]) -> _C | None:
    """The caller's own client, unless it is of the other colour."""
    other: tuple[type, ...] = (httpx.Client, httpx.AsyncClient)
    if isinstance(http_client, other) and not isinstance(http_client, wanted):
        raise InvalidInputError(f"http_client must be an httpx.{wanted.__name__} here")
    return http_client


def check_open(http_client: httpx.Client | httpx.AsyncClient) -> None:
    """Raise ``InvalidInputError`` for a client of the caller's that is closed."""
    if getattr(http_client, "is_closed", False):
        raise InvalidInputError("http_client is closed; pass one that is open for as long as it is used")


@contextlib.contextmanager
def near_the_end(response: httpx.Response) -> Iterator[None]:
    """Within this, reading ``response`` on takes ``END_GRACE_S`` in all: then it is httpx's read timeout.

    A body has to be read to its end for its connection to be used again, and some servers do not end it.
    httpx takes a timeout per read, and none but the one it began with; so the stream below it is told.
    """
    stream = response.extensions.get("network_stream")
    # Compressed bodies give the connection back by themselves, maybe to a call with all the time it wants.
    if (
        stream is None
        or response.http_version not in ("HTTP/1.1", "HTTP/1.0")
        or "content-encoding" in response.headers
    ):
        yield
        return
    read = stream.read
    deadline = time.monotonic() + END_GRACE_S

    def read_in_time(max_bytes: int, timeout: float | None = None) -> Any:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise httpx.ReadTimeout("the body does not end")
        return read(max_bytes, timeout=left_s if timeout is None else min(timeout, left_s))

    stream.read = read_in_time
    try:
        yield
    finally:
        del stream.read


class RequestTemplate:
    """What all requests of one kind share, worked out once: method, URL and headers.

    ``httpx.Client.build_request`` merges all that anew each time, at twice the cost of the rest of
    making a request.
    """

    def __init__(self, method: str, url: httpx.URL, headers: Mapping[str, str]) -> None:
        bare = httpx.Request(method, url)  # for the host, in httpx's own spelling
        self._method = method
        self._url = url
        self._headers = httpx.Headers(
            {
                "host": bare.headers["host"],
                "accept-encoding": _accepted_encodings(),
                "connection": "keep-alive",
                **headers,
            }
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._method!r}, {str(self._url)!r})"

    def request(self, body: bytes | None, timeout: Mapping[str, float | None]) -> httpx.Request:
        """One request; ``timeout`` is ``httpx.Timeout.as_dict()``'s form, seconds."""
        request = httpx.Request(
            self._method,
            self._url,
            headers=self._headers,
            stream=httpx.ByteStream(body or b""),
            extensions={"timeout": timeout},
        )
        if body is not None:
            request.headers["content-length"] = str(len(body))
        return request


def _may_be_proxied(base_url: str) -> bool:
    # A proxy from the environment would be sent the key of a plain-http request in the clear.
    return not is_loopback_url(base_url) and bool(getproxies())


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


@functools.cache
def _accepted_encodings() -> str:
    """What httpx can decode here; it depends on what is installed, and only its clients say so."""
    with httpx.Client(verify=_no_authorities()) as client:
        return client.headers["accept-encoding"]
