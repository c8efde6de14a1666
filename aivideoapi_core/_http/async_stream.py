"""``AsyncMessageStream``: one streamed call, asynchronously; the twin of ``stream``."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

import httpx

from aivideoapi_core._errors import AIVideoAPIError
from aivideoapi_core._http.decoding import apieces_of
from aivideoapi_core._http.exchange import Exchange
from aivideoapi_core._http.leftovers import end
from aivideoapi_core._http.loop_pools import check_loop
from aivideoapi_core._http.read_deadline import near_the_end
from aivideoapi_core._http.requests import Request
from aivideoapi_core._http.streamed_call import StreamedCall
from aivideoapi_core._inbound.reader import StreamReader
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._metering.undisturbed import in_own_task
from aivideoapi_core._received import StreamEvent


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


class AsyncMessageStream(StreamedCall):
    """The asynchronous twin of ``MessageStream``."""

    def __init__(
        self,
        exchange: Exchange,
        request: Request,
        call: CallMeter,
        *,
        send: Callable[[Request], Awaitable[httpx.Response]],
    ) -> None:
        """``send`` is the client's: an open response whose status is a success, else the typed error."""
        super().__init__(exchange, request, call)
        self._send = send
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        self._rest: AsyncGenerator[StreamEvent, None] = _nothing()

    async def __aenter__(self) -> Self:
        check_loop()
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
        self._check_entered()
        for event in self._first:
            yield event
        self._first = []
        try:
            async for event in self._rest:
                yield event
        except AIVideoAPIError as error:
            raise self._attempts.broke_off(error)  # noqa: B904 - it is the same error

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

    async def _open(self) -> None:
        self._reader = StreamReader()  # what an earlier try has read is no part of this one
        self._ended = False
        self._response = response = await self._send(self._request)
        self._rest = self._events(response, self._reader_of(response))
        async for event in self._rest:
            if self._begins_with(event):
                return

    async def _events(
        self, response: httpx.Response, reader: StreamReader
    ) -> AsyncGenerator[StreamEvent, None]:
        pieces = aiter(apieces_of(response))
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
