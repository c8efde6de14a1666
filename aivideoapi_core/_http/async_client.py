"""The asynchronous shell, the twin of ``client``."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, Unpack, cast
from weakref import WeakMethod

import httpx
from pydantic import SecretStr

from aivideoapi_core._errors import AIVideoAPIError, InvalidInputError
from aivideoapi_core._http.attempts import Attempts
from aivideoapi_core._http.decoding import aunpacked
from aivideoapi_core._http.engines import resolve_engine
from aivideoapi_core._http.exchange import Exchange, body_limit
from aivideoapi_core._http.leftovers import end, sweep
from aivideoapi_core._http.loop_pools import LoopPools
from aivideoapi_core._http.pools import (
    KEEPALIVE_S,
    AsyncPool,
    Timeout,
    check_open,
    checked_client,
    given_async_pool,
    own_async_pool,
)
from aivideoapi_core._http.read_deadline import near_the_end
from aivideoapi_core._http.requests import Request
from aivideoapi_core._http.retry import RetryPolicy
from aivideoapi_core._http.target import as_secret
from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._inbound.balance import Balance
from aivideoapi_core._inbound.reader import StreamReader, is_whole
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.call_facts import CallFacts
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._metering.undisturbed import in_own_task
from aivideoapi_core._received import Message, StreamEvent
from aivideoapi_core._secrets import hidden_arguments

_WARM_LANES: Final = 4
_WARM_LANE_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=8, keepalive_expiry=KEEPALIVE_S
)
_COLD_LANE_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""Only a burst comes this far, and nobody would look after what it leaves behind."""


def _async_pieces(response: httpx.Response) -> AsyncIterable[bytes]:
    """The asynchronous twin of ``_pieces``."""
    if response.is_stream_consumed:
        return response.aiter_bytes()
    if "content-encoding" in response.headers:
        return aunpacked(response)
    return cast("httpx.AsyncByteStream", response.stream)


def _new_pool(base_url: str, engine: str, number: int) -> AsyncPool:
    limits = _WARM_LANE_LIMITS if number < _WARM_LANES else _COLD_LANE_LIMITS
    return own_async_pool(base_url, limits, engine=engine)


def _check_loop() -> None:
    """Raise ``InvalidInputError`` where no event loop of asyncio's runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise InvalidInputError(
            "asynchronous calls need asyncio's event loop (or uvloop's), not trio's or none at all"
        ) from None


class AsyncMessagesClient:
    """The Messages endpoint, asynchronously. May be used from many event loops, one after the other.

    It keeps connections per event loop, closed when that loop shuts down. ``http_client`` replaces
    them all; it is not closed by ``aclose()``.
    """

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None = None,
        http_client: httpx.AsyncClient | None = None,
        http_engine: str | None = None,
        **settings: Any,
    ) -> None:
        """``http_engine``: ``auto``, ``httpx`` or ``aiohttp``, what carries requests where no ``http_client`` does;
        ``settings`` are those of ``Exchange``. Raises ``InvalidInputError``.
        """
        api_key = as_secret(api_key)  # a traceback that shows local variables must not show the key
        with hidden_arguments(settings, self):
            self._exchange = Exchange(api_key=api_key, **settings)
            self._given = checked_client(http_client, httpx.AsyncClient)
            self._given_pool = None if self._given is None else given_async_pool(self._given)
            engine = resolve_engine(http_engine)
            self._pools = LoopPools(functools.partial(_new_pool, self.base_url, engine))

    @property
    def base_url(self) -> str:
        """Where the platform is: scheme, host and path, without ``/v1``."""
        return self._exchange.base_url

    @property
    def api_key(self) -> SecretStr:
        """The key that every request carries."""
        return self._exchange.api_key

    @property
    def retry(self) -> RetryPolicy:
        """When a failed request is made again."""
        return self._exchange.retry

    @property
    def timeout(self) -> Timeout:
        """Seconds, or an ``httpx.Timeout``, of every call that has none of its own."""
        return self._exchange.timeout

    def __repr__(self) -> str:
        exchange = vars(self).get("_exchange")  # a traceback may show a client whose construction failed
        return f"{type(self).__name__}({'' if exchange is None else f'base_url={exchange.base_url!r}'})"

    async def create(
        self,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | None = None,  # noqa: ASYNC109 - handed to httpx, per read
        **facts: Unpack[CallFacts],
    ) -> Reply:
        """Make one call and return the whole reply. ``payload`` is from ``build_payload``.

        ``facts``: see ``CallFacts``.
        """
        _check_loop()
        exchange = self._exchange
        request = exchange.messages_request(payload, headers, timeout)
        async with exchange.meter(payload, request, facts) as call:
            request = exchange.as_granted(request, call)
            attempts = Attempts(exchange.retry, call)
            while True:
                try:
                    return call.answered(exchange.parse_reply(request, *await self._fetch(request), attempts))
                except AIVideoAPIError as error:
                    await asyncio.sleep(attempts.wait_s(error))

    def stream(
        self,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | None = None,
        **facts: Unpack[CallFacts],
    ) -> AsyncMessageStream:
        """One streamed call, as an async context manager that iterates over the events."""
        request = self._exchange.messages_request(payload, headers, timeout)
        return AsyncMessageStream(
            self,
            request,
            self._exchange.meter(payload, request, facts),
        )

    async def credits(self) -> Balance:
        """The account's balance."""
        _check_loop()
        exchange = self._exchange
        request, attempts = exchange.credits_request(), Attempts(exchange.retry)
        while True:
            try:
                return exchange.parse_balance(*await self._fetch(request))
            except AIVideoAPIError as error:
                await asyncio.sleep(attempts.wait_s(error))

    async def aclose(self) -> None:
        """Close the connections of the running event loop. A later call opens new ones."""
        await self._pools.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _send(self, request: Request) -> httpx.Response:
        """Send once; an open response whose status is a success, else the typed error."""
        try:
            response = await self._sent(self._exchange.build(request, self._given))
        except Exception as error:  # httpx's own, and what its parts, proxies and certificates raise besides
            ours = self._exchange.error_before(error, request)
            if ours is None:
                raise
            raise ours from error
        request.handover.began = True  # who answers has got it, by whatever transport
        if response.is_success:
            return response
        body = await self._read(response, request)
        raise self._exchange.status_error(response, body, model=request.model)

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        if self._given is not None and self._given_pool is not None:
            check_open(self._given)
            return await self._given_pool.send(request)
        lane = await self._pools.pick()
        try:
            with lane:
                response = await lane.pool.send(request)
        except asyncio.CancelledError:
            await in_own_task(sweep(lane.pool.transport))
            raise
        lane.serves(response)
        return response

    async def _read(self, response: httpx.Response, request: Request) -> bytes:
        body = bytearray()
        try:
            async for chunk in _async_pieces(response):
                body += chunk
                if len(body) > body_limit(response):
                    break
        except (httpx.HTTPError, httpx.StreamError) as error:
            if response.is_success and not is_whole(bytes(body)):
                raise self._exchange.error_of(error, request) from error
        except asyncio.CancelledError:
            await in_own_task(end(response))
            raise
        finally:
            await response.aclose()
        return bytes(body)

    async def _fetch(self, request: Request) -> tuple[httpx.Response, bytes]:
        response = await self._send(request)
        return response, await self._read(response, request)


def _is_adrift() -> bool:
    """Whether nothing can be awaited: the event loop has ended, or the collector runs."""
    try:
        return DROPPED.in_collector or asyncio.current_task() is None
    except RuntimeError:
        return True


def _end_soon(loop: asyncio.AbstractEventLoop, response: httpx.Response) -> None:
    task = loop.create_task(end(response))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _nothing() -> AsyncGenerator[StreamEvent, None]:
    """No events."""
    events: tuple[StreamEvent, ...] = ()
    for event in events:
        yield event


class AsyncMessageStream:
    """The asynchronous twin of ``MessageStream``."""

    def __init__(self, client: AsyncMessagesClient, request: Request, call: CallMeter) -> None:
        self._client = client
        self._exchange = client._exchange
        self._request = request
        self._call = call
        call.owner = WeakMethod(self._partial)
        self._attempts = Attempts(client.retry, call)
        self._response: httpx.Response | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        self._reader = StreamReader()
        self._reply: Reply | None = None
        self._first: list[StreamEvent] = []
        self._rest: AsyncGenerator[StreamEvent, None] = _nothing()

    async def __aenter__(self) -> Self:
        _check_loop()
        self._loop = asyncio.get_running_loop()
        await self._call.__aenter__()
        try:
            self._request = self._exchange.as_granted(self._request, self._call)
            while True:
                try:
                    await self._open()
                except AIVideoAPIError as error:
                    await self._disconnect()
                    await asyncio.sleep(self._attempts.wait_s(error))
                else:
                    return self
        except BaseException as error:
            await self._leave(error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(error)

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        for event in self._first:
            yield event
        self._first = []
        try:
            async for event in self._rest:
                yield event
        except AIVideoAPIError as error:
            raise self._attempts.broke_off(error)  # noqa: B904 - it is the same error

    @property
    def reply(self) -> Reply:
        """The whole reply. Raises ``IncompleteStreamError`` before the last event."""
        if self._reply is None:
            reader = self._reader
            self._reply = self._exchange.reply(
                reader.accumulator.message(), self._request, reader.head.request_id, self._attempts.made + 1
            )
        return self._reply

    @property
    def accumulator(self) -> MessageAccumulator:
        """The message so far, in step with the events: each is folded in before it is yielded."""
        return self._reader.accumulator

    async def aclose(self) -> None:
        """Release the connection. A stream that was not read to its end counts as abandoned."""
        await self._leave(None)

    def __del__(self) -> None:
        if "_rest" in vars(self):  # else its construction was interrupted
            self._drop(None)

    def _drop(self, error: BaseException | None) -> None:
        """Leave without waiting. The event loop closes the connection, soon; the books are for whoever comes next."""
        if not self._call.is_ours:
            return
        if self._call.is_open:
            DROPPED.put(functools.partial(self._settle, error))
        response, loop = self._response, self._loop
        if response is not None and loop is not None and not response.is_closed and not loop.is_closed():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_end_soon, loop, response)

    async def _disconnect(self) -> None:
        if self._response is None:
            return
        if self._ended:
            try:
                await self._response.aclose()
                await self._rest.aclose()
            except asyncio.CancelledError:
                await in_own_task(end(self._response))
                raise
        else:  # the connection is lost with the rest of the body, and must be, however often we are cancelled
            await in_own_task(self._cut(self._response, self._rest))

    @staticmethod
    async def _cut(response: httpx.Response, rest: AsyncGenerator[StreamEvent, None]) -> None:
        await end(response)
        with contextlib.suppress(RuntimeError):  # another task waits in it, and is about to see the end
            await rest.aclose()

    async def _leave(self, error: BaseException | None) -> None:
        if isinstance(error, GeneratorExit) and _is_adrift():
            self._drop(error)
            return
        try:
            await self._disconnect()
        finally:
            if self._call.is_open:
                await self._call.afinish(error, partial=self._partial())

    def _settle(self, error: BaseException | None) -> None:
        """``_leave`` without an event loop: the books alone."""
        if self._call.is_open:
            self._call.finish(error, partial=self._partial())

    def _partial(self) -> Message | None:
        """What has come of a message that is not whole; a whole one is the answer."""
        accumulator = self._reader.accumulator
        if not accumulator.done:
            return accumulator.partial()
        self._call.answered(self.reply)
        return None

    async def _open(self) -> None:
        self._reader = StreamReader()  # what an earlier try has read is no part of this one
        self._ended = False
        self._response = await self._client._send(self._request)
        self._reader = StreamReader(self._exchange.head_of(self._response, model=self._request.model))
        self._first = []
        self._rest = self._events(self._response, self._reader)
        async for event in self._rest:
            self._first.append(event)
            if self._reader.begun:
                self._call.answers()
                return

    async def _events(
        self, response: httpx.Response, reader: StreamReader
    ) -> AsyncGenerator[StreamEvent, None]:
        pieces = aiter(_async_pieces(response))
        try:
            async for chunk in pieces:
                for event in reader.feed(chunk):
                    yield event
                if reader.accumulator.done:
                    break
            with near_the_end(response):
                async for chunk in pieces:
                    for event in reader.feed(chunk):
                        yield event
        except (httpx.HTTPError, httpx.StreamError) as error:
            for event in reader.rescue():
                yield event
            if not reader.accumulator.done:
                raise self._exchange.error_of(error, self._request, reader=reader) from error
        else:
            self._ended = True
        for event in reader.finish():
            yield event
        self._attempts.succeeded(reader.head.request_id)
