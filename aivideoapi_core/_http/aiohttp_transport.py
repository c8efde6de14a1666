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
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any, Final
from weakref import finalize, ref

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from aivideoapi_core._http.read_watch import ReadWatch

_AT_ONCE: Final = 65_536
_WAITS_FROM: Final = 32_768
"""Bytes of a body that may have to wait for the server to take them: half of what aiohttp writes
without waiting."""
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
        self._open: set[aiohttp.ClientResponse] = set()
        """Held until they are closed: one whose connection broke is reachable from nowhere else, and reports itself
        ("Unclosed connection") where it is collected before the stream that was about to close it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the head of the reply, its body still to be read."""
        session = self._session
        if session is None or session.closed:
            session = self._session = self._new_session()
        else:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        timeout = request.extensions.get("timeout", {})
        sizes = [int(value) for name, value in request.headers.raw if name.lower() == b"content-length"]
        with _as_httpx():
            response = await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                # No name of ours for them: a traceback may show it, and the key is in it.
                headers=_texts(request.headers),
                data=_Body(request, sizes[0], timeout.get("write")) if sizes else None,
                allow_redirects=False,
                # Not sock_connect: that leaves out the look-up of the name.
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=timeout.get("connect"), sock_read=timeout.get("read")
                ),
            )
        body = _ResponseBody(response, timeout.get("read"), self._open)
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=body,
            extensions={"http_version": b"HTTP/1.1", "network_stream": body},
        )

    async def aclose(self) -> None:
        """Close the connections, and those of replies that nobody has read to the end: we hold them no longer."""
        if self._session is not None:
            await self._session.close()
        for response in tuple(self._open):
            response.close()

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

    def __init__(self, request: httpx.Request, size: int, timeout_s: float | None) -> None:
        super().__init__(request.stream)
        self._size = size
        self._timeout_s = timeout_s if size > _WAITS_FROM else None

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

    def __init__(
        self, response: aiohttp.ClientResponse, timeout_s: float | None, held: set[aiohttp.ClientResponse]
    ) -> None:
        self._response = response
        self._held = held
        held.add(response)
        self._closed: asyncio.Future[None] | None = None
        protocol = None if response.connection is None else response.connection.protocol
        if protocol is None:  # all of it is here
            timeout_s = None
        else:
            _forget_timeout(protocol)
            self._closed = getattr(protocol, "closed", None)  # a future since aiohttp 3.12.7
        self._at_close = functools.partial(_lost, ref(self))
        if self._closed is not None:
            self._closed.remove_done_callback(
                _heard
            )  # one for each connection, however many replies it carries
            self._closed.add_done_callback(_heard)
            self._closed.add_done_callback(self._at_close)
        self._watch = ReadWatch(response.close, timeout_s, asyncio.get_running_loop())

    def read(self, max_bytes: int, timeout: float | None = None) -> Awaitable[bytes]:
        """All that has arrived, ``b""`` at the end; ``timeout`` in seconds besides the call's own."""
        return self._response.content.readany() if timeout is None else self._read_within(timeout)

    async def _read_within(self, timeout_s: float) -> bytes:
        content = self._response.content
        if content.at_eof():
            return b""
        try:
            async with asyncio.timeout(timeout_s):
                return await content.readany()
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        watch, part, failure = self._watch, b"-", None
        try:
            with _as_httpx():
                while part:
                    watch.begins()
                    part = await self.read(_AT_ONCE)
                    watch.ends()
                    if part:
                        yield part
        except httpx.TransportError as error:
            failure = error
        if failure is not None:
            # What had arrived before the failure: aiohttp raises first, and would never say that anything had.
            if part := self._response.content._read_nowait(-1):
                yield part
            raise httpx.ReadTimeout("the server is silent") if watch.expired else failure
        if watch.expired:  # a body that ends with its connection has just done so
            raise httpx.ReadTimeout("the server is silent")

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body has not ended. Waits for nothing."""
        self._held.discard(self._response)
        self._watch.close()
        if self._closed is not None:
            self._closed.remove_done_callback(self._at_close)
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _texts(headers: httpx.Headers) -> list[tuple[str, str]]:
    """All headers at once: httpx's own look-ups decode every one of them, each time."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw]


def _forget_timeout(protocol: Any) -> None:
    """Switch off aiohttp's own read timeout, which was for the head, until the next request of the connection."""
    protocol.read_timeout = None
    protocol.start_timeout()  # with none set this drops the one that runs


def _heard(closed: asyncio.Future[None]) -> None:
    """Look at how a connection ended, or the event loop reports that nobody did."""
    if not closed.cancelled():
        closed.exception()


def _lost(known: ref[_ResponseBody], closed: asyncio.Future[None]) -> None:
    """The connection of a body is gone. After bytes that are no HTTP aiohttp does not tell whoever waits for the body."""
    body = known()
    content = None if body is None else body._response.content
    if content is not None and not content.is_eof() and content.exception() is None:
        content.set_exception(aiohttp.ClientConnectionError(_CLOSED))


_CLOSED: Final = "Connection closed"
"""How aiohttp's ``RuntimeError`` begins where somebody reads on after ``_lost``."""


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError, TimeoutError) as error:
        raise _httpx_error(error) from error
    except RuntimeError as error:
        if not str(error).startswith(_CLOSED):
            raise
        raise httpx.RemoteProtocolError(str(error)) from error


def _httpx_error(error: Exception) -> httpx.HTTPError:
    """The exception that httpx's own transport raises where aiohttp raises ``error``."""
    # From ``_Body``; another one, or it would be its own cause.
    if isinstance(error.__cause__, httpx.WriteTimeout):
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
