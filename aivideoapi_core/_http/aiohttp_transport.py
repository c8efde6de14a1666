"""aiohttp behind httpx's interface: a clever corner of its own.

What calls it: the asynchronous client's pools, where aiohttp is installed and nobody expects requests elsewhere.
What we answer: httpx's responses and httpx's exceptions, each by what it says about money: what failed before the
request was out is a connection error, what failed later is a read error. aiohttp's own classes mix the two.
What breaks without it: nothing; httpx's own transport takes its place (``tests/core/test_engines.py`` holds both to
the same answers).
What it buys: a quarter of the CPU for each event of a stream (see ``engines``): the parser is compiled, and all that
has arrived is handed over at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final
from weakref import finalize

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

_AT_ONCE: Final = 65_536
_TURNS: Final = 3
"""Turns of the event loop after which it has noticed which idle connections the server has closed: one for the end
of the bytes, three more where TLS says good-bye. httpx asks the kernel about each instead.
"""
_KNOWN_OPTIONS: Final = aiohttp.ClientSession.__init__.__kwdefaults__ or {}
_HEAD_LIMITS: Final[dict[str, Any]] = {
    name: limit
    for name, limit in (("max_line_size", 102_400), ("max_field_size", 102_400), ("max_headers", 4_096))
    if name in _KNOWN_OPTIONS  # the last one came with aiohttp 3.14
}
"""Those of httpx, roughly: it takes 100 KiB for a whole head. aiohttp's own are 8 KiB a line and 128 lines."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Connections of one event loop to one place. Follows no redirect, keeps no cookie, decodes nothing."""

    def __init__(self, *, verify: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._verify = verify
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the head of the reply, its body still to be read."""
        session = self._session
        if session is None or session.closed:
            session = self._session = self._new_session()
        else:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        timeout = request.extensions.get("timeout", {})
        with _as_httpx():
            response = await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=_Body(request, timeout.get("write")) if "content-length" in request.headers else None,
                allow_redirects=False,
                # Not sock_connect: that leaves out the look-up of the name.
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=timeout.get("connect"), sock_read=timeout.get("read")
                ),
            )
        body = _ResponseBody(response)
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=body,
            extensions={"http_version": b"HTTP/1.1", "network_stream": body},
        )

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _new_session(self) -> aiohttp.ClientSession:
        keeps = self._limits.max_keepalive_connections != 0
        connector = _Connector(
            ssl=self._verify,
            limit=self._limits.max_connections or 0,
            resolver=aiohttp.ThreadedResolver(),  # the system's, as httpx; never aiodns' own idea of names
            **({"keepalive_timeout": self._limits.keepalive_expiry} if keeps else {"force_close": True}),
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            **_HEAD_LIMITS,
        )
        # Whoever drops us, or ends the program, without closing us: no report of it. Does no I/O, so a fork may.
        finalize(self, session.detach)
        return session


class _Connector(aiohttp.TCPConnector):
    """Connections that may be left behind with their loop: ``loop_pools`` closes them where a loop still runs."""

    def __del__(self, *_: object) -> None:
        """Nothing: aiohttp reports "Unclosed connector" here, to users who have never seen one."""


class _Body(aiohttp.Payload):
    """A request's body. It is asked for once the connection stands and the head is out, as httpx's own does."""

    def __init__(self, request: httpx.Request, timeout_s: float | None) -> None:
        super().__init__(request.stream, content_type=request.headers.get("content-type"))
        self._size = int(request.headers["content-length"])
        self._timeout_s = timeout_s

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """For aiohttp's debugging only."""
        return ""

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the whole body. aiohttp itself has no patience that could end here."""
        try:
            async for part in self._value:
                async with asyncio.timeout(self._timeout_s):
                    await writer.write(part)
        except TimeoutError as error:
            raise httpx.WriteTimeout("the server does not take the request") from error

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body, whose length is that of the header."""
        await self.write(writer)


class _ResponseBody(httpx.AsyncByteStream):
    """A reply's body. ``read`` is that of an httpx network stream, so that a read deadline can take its place."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpx's signature
        """All that has arrived, ``b""`` at the end; ``timeout`` in seconds besides the call's own."""
        if timeout is None:
            return await self._response.content.readany()
        try:
            async with asyncio.timeout(timeout):
                return await self._response.content.readany()
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            while part := await self.read(_AT_ONCE):
                yield part

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body has not ended. Waits for nothing."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError, TimeoutError) as error:
        raise _httpx_error(error) from error


def _httpx_error(error: Exception) -> httpx.HTTPError:
    """The exception that httpx's own transport raises where aiohttp raises ``error``."""
    if isinstance(
        error.__cause__, httpx.WriteTimeout
    ):  # from ``_Body``; another one, or it would be its own cause
        return httpx.WriteTimeout(str(error.__cause__))
    text = str(error)
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout(text)
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return httpx.ReadTimeout(text)
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(text)
        case aiohttp.InvalidURL():
            return httpx.UnsupportedProtocol(text)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return httpx.RemoteProtocolError(text or "the server closed the connection")
        case aiohttp.ClientOSError() | OSError():
            return httpx.ReadError(text)
        case _:
            return httpx.RemoteProtocolError(text)
