"""The asynchronous shell, the twin of ``client``."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Mapping,
    Sequence,
)
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, cast
from weakref import WeakKeyDictionary, finalize, ref

import httpx
from pydantic import SecretStr

from aivideoapi_core._errors import (
    AIVideoAPIError,
)
from aivideoapi_core._http.exchange import Attempts, Request, Transport, body_limit
from aivideoapi_core._http.lanes import Lane, Lanes
from aivideoapi_core._http.pools import (
    KEEPALIVE_S,
    AsyncPool,
    Timeout,
    check_open,
    checked_client,
    given_async_pool,
    near_the_end,
    own_async_pool,
)
from aivideoapi_core._http.target import (
    as_secret,
)
from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._inbound.balance import Balance
from aivideoapi_core._inbound.reader import StreamReader
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._received import StreamEvent

_LANE_ROOM: Final = 16
"""Requests at a time in each of the asynchronous client's pools; see ``lanes``."""
_WARM_LANES: Final = 4
_WARM_LANE_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=8, keepalive_expiry=KEEPALIVE_S
)
_COLD_LANE_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""Only a burst comes this far, and nobody would look after what it leaves behind."""


def _async_pieces(response: httpx.Response) -> AsyncIterable[bytes]:
    """The asynchronous twin of ``_pieces``."""
    if response.is_stream_consumed or "content-encoding" in response.headers:
        return response.aiter_bytes()
    return cast("httpx.AsyncByteStream", response.stream)


def _new_pool(base_url: str, number: int) -> AsyncPool:
    return own_async_pool(base_url, _WARM_LANE_LIMITS if number < _WARM_LANES else _COLD_LANE_LIMITS)


class _OwnPools(NamedTuple):
    """The connections of one event loop, what closes them with it, and what does when their owner is dropped.

    ``dropped`` also keeps them alive until they are closed. Were they garbage together with their
    owner, Python would close their sockets first; closing the connections afterwards would then
    take the file descriptors, by number, away from connections that were opened in between.
    """

    lanes: Lanes[AsyncPool]
    closer: AsyncGenerator[None, None]
    dropped: finalize[..., Any]


def _close_soon(loop: ref[asyncio.AbstractEventLoop], closer: AsyncGenerator[None, None], pid: int) -> None:
    """Have ``loop`` run ``closer`` to its end, from whichever thread; a fork must not touch its parent's."""
    running = loop()
    if running is not None and not running.is_closed() and os.getpid() == pid:
        running.call_soon_threadsafe(_close_now, running, closer)


def _close_now(loop: asyncio.AbstractEventLoop, closer: AsyncGenerator[None, None]) -> None:
    task = loop.create_task(closer.aclose())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


class AsyncMessagesClient(Transport):
    """The Messages endpoint, asynchronously. May be used from many event loops, one after the other.

    It keeps connections per event loop, closed when that loop shuts down. ``http_client`` replaces
    them all; it is not closed by ``aclose()``.
    """

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None = None,
        http_client: httpx.AsyncClient | None = None,
        **settings: Any,
    ) -> None:
        api_key = as_secret(api_key)
        super().__init__(api_key=api_key, **settings)
        self._given = checked_client(http_client, httpx.AsyncClient)
        self._given_lane = None if self._given is None else Lane(given_async_pool(self._given))
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._own: WeakKeyDictionary[asyncio.AbstractEventLoop, _OwnPools] = WeakKeyDictionary()

    async def create(
        self,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | None = None,  # noqa: ASYNC109 - handed to httpx, per read
        tags: Sequence[str] = (),
    ) -> Reply:
        """Make one call and return the whole reply. ``payload`` is from ``build_payload``; ``tags`` go on its record."""
        request = self._messages_request(payload, headers, timeout)
        async with self._meter(payload, tags) as call:
            attempts = Attempts(self.retry, call)
            while True:
                try:
                    return call.answered(self._parse_reply(request, *await self._fetch(request), attempts))
                except AIVideoAPIError as error:
                    await asyncio.sleep(attempts.wait_s(error))

    def stream(
        self,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | None = None,
        tags: Sequence[str] = (),
    ) -> AsyncMessageStream:
        """One streamed call, as an async context manager that iterates over the events."""
        request = self._messages_request(payload, headers, timeout)
        return AsyncMessageStream(self, request, self._meter(payload, tags))

    async def credits(self) -> Balance:
        """The account's balance."""
        request = self._credits_request()
        attempts = Attempts(self.retry)
        while True:
            try:
                return self._parse_balance(*await self._fetch(request))
            except AIVideoAPIError as error:
                await asyncio.sleep(attempts.wait_s(error))

    async def aclose(self) -> None:
        """Close the connections of the running event loop. A later call opens new ones."""
        with self._lock:
            own = self._own.pop(asyncio.get_running_loop(), None)
        if own is not None:
            own.dropped.detach()
            await own.closer.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _lane(self) -> Lane[AsyncPool]:
        if self._given is not None and self._given_lane is not None:
            check_open(self._given)
            return self._given_lane
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():  # we are a fork: neither the sockets nor the lock can be trusted here
            self._pid, self._lock, self._own = os.getpid(), threading.Lock(), WeakKeyDictionary()
        with self._lock:
            own = self._own.get(loop)
            if own is not None:
                return own.lanes.pick()
            for other in [other for other in self._own if other.is_closed()]:
                # It ended without closing its generators; its sockets are gone.
                self._own.pop(other).dropped.detach()
            lanes = Lanes(functools.partial(_new_pool, self.base_url), room=_LANE_ROOM)
            closer = _close_with_loop(lanes, ref(self._own))
            dropped = finalize(self, _close_soon, ref(loop), closer, self._pid)
            dropped.atexit = False
            self._own[loop] = _OwnPools(lanes, closer, dropped)
        await anext(closer)
        return lanes.pick()

    async def _send(self, request: Request) -> httpx.Response:
        """Send once; an open response whose status is a success, else the typed error."""
        lane = await self._lane()
        try:
            with lane:
                response = await lane.pool.send(self._build(request, self._given))
        except httpx.HTTPError as error:
            raise self._transport_error(error, request) from error
        lane.serves(response)
        if response.is_success:
            return response
        raise self._status_error(response, await self._read(response, request))

    async def _read(self, response: httpx.Response, request: Request) -> bytes:
        body = bytearray()
        try:
            async for chunk in _async_pieces(response):
                body += chunk
                if len(body) > body_limit(response):
                    break
        except (httpx.HTTPError, httpx.StreamError) as error:
            if response.is_success:
                raise self._transport_error(error, request) from error
        finally:
            await response.aclose()
        return bytes(body)

    async def _fetch(self, request: Request) -> tuple[httpx.Response, bytes]:
        response = await self._send(request)
        return response, await self._read(response, request)


async def _close_with_loop(
    lanes: Lanes[AsyncPool], clients: ref[WeakKeyDictionary[asyncio.AbstractEventLoop, _OwnPools]]
) -> AsyncGenerator[None, None]:
    """An open generator that closes the clients of ``lanes`` when its event loop shuts down."""
    try:
        yield
    finally:
        known = clients()
        # The entry refers to its own key, so the loop would never be collected.
        own = None if known is None else known.pop(asyncio.get_running_loop(), None)
        if own is not None:
            own.dropped.detach()
        for pool in lanes:
            await pool.aclose()


async def _nothing() -> AsyncGenerator[StreamEvent, None]:
    """No events."""
    events: tuple[StreamEvent, ...] = ()
    for event in events:
        yield event


class AsyncMessageStream:
    """The asynchronous twin of ``MessageStream``."""

    def __init__(self, client: AsyncMessagesClient, request: Request, call: CallMeter) -> None:
        self._client = client
        self._request = request
        self._call = call
        self._attempts = Attempts(client.retry, call)
        self._response: httpx.Response | None = None
        self._reader = StreamReader()
        self._reply: Reply | None = None
        self._first: list[StreamEvent] = []
        self._rest: AsyncGenerator[StreamEvent, None] = _nothing()

    async def __aenter__(self) -> Self:
        await self._call.__aenter__()
        try:
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
            self._reply = self._client._reply(
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

    async def _disconnect(self) -> None:
        if self._response is not None:
            await self._response.aclose()
        with contextlib.suppress(RuntimeError):  # another task waits in it, and is about to see the end
            await self._rest.aclose()

    async def _leave(self, error: BaseException | None) -> None:
        try:
            await self._disconnect()
        finally:
            if self._call.is_open:
                accumulator = self._reader.accumulator
                if accumulator.done:
                    self._call.answered(self.reply)
                await self._call.afinish(error, partial=None if accumulator.done else accumulator.partial())

    async def _open(self) -> None:
        self._reader = StreamReader()  # what an earlier try has read is no part of this one
        self._response = await self._client._send(self._request)
        self._reader = StreamReader(self._client._head_of(self._response))
        self._first = []
        self._rest = self._events(self._response, self._reader)
        async for event in self._rest:
            self._first.append(event)
            if self._reader.begun:
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
            if not reader.accumulator.done:
                raise self._client._transport_error(error, self._request, reader=reader) from error
        for event in reader.finish():
            yield event
        self._attempts.succeeded(reader.head.request_id)
