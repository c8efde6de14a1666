"""``MessageStream``: one streamed call, synchronously."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

import httpx

from aivideoapi_core._errors import AIVideoAPIError
from aivideoapi_core._http.decoding import pieces_of
from aivideoapi_core._http.exchange import Exchange
from aivideoapi_core._http.read_deadline import near_the_end
from aivideoapi_core._http.requests import Request
from aivideoapi_core._http.streamed_call import StreamedCall
from aivideoapi_core._inbound.reader import StreamReader
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._received import StreamEvent

_OPEN: Final[dict[tuple[int, int], tuple[httpx.Response, Iterator[bytes]]]] = {}
"""What is being read, by process and stream. Held here, so that the collector never finds httpx's generators in the garbage of
a dropped stream: it would close them, and closing takes the lock of their pool, which this thread may hold."""


class MessageStream(StreamedCall):
    """A streamed reply: a context manager, to be iterated once. ``reply`` is there after the last event.

    Entering it waits for the first piece of content, so that what fails before is retried as a whole.
    Leaving it closes the connection at once.
    """

    def __init__(
        self,
        exchange: Exchange,
        request: Request,
        call: CallMeter,
        *,
        send: Callable[[Request], httpx.Response],
    ) -> None:
        """``send`` is the client's: an open response whose status is a success, else the typed error."""
        super().__init__(exchange, request, call)
        self._send = send
        self._key = call.pid, id(self)
        self._rest: Iterator[StreamEvent] = iter(())

    def __enter__(self) -> Self:
        self._call.__enter__()
        try:
            self._request = self._exchange.as_granted(self._request, self._call)
            while True:
                try:
                    self._open()
                except AIVideoAPIError as error:
                    self._disconnect()
                    time.sleep(self._attempts.wait_s(error))
                else:
                    return self
        except BaseException as error:
            self._leave(error)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    def __iter__(self) -> Iterator[StreamEvent]:
        self._check_entered()
        yield from self._first
        self._first = []
        try:
            yield from self._rest
        except AIVideoAPIError as error:
            raise self._attempts.broke_off(error)  # noqa: B904 - it is the same error

    def close(self) -> None:
        """Release the connection. A stream that was not read to its end counts as abandoned."""
        self._leave(None)

    def __del__(self) -> None:
        call = vars(self).get("_call")
        if call is not None and call.is_ours and (call.is_open or self._key in _OPEN):
            DROPPED.put(self.close)

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
            _OPEN.pop(self._key, None)

    def _leave(self, error: BaseException | None) -> None:
        if not self._call.is_ours:  # a forked child's copy: the call is the parent's
            return
        if DROPPED.in_collector:  # a generator around this stream is garbage
            DROPPED.put(functools.partial(self._leave, error))
            return
        try:
            self._disconnect()
        finally:
            if self._call.is_open:
                self._call.finish(error, partial=self._partial())

    def _open(self) -> None:
        self._reader = StreamReader()  # what an earlier try has read is no part of this one
        self._response = response = self._send(self._request)
        pieces = iter(pieces_of(response))
        _OPEN[self._key] = response, pieces
        self._rest = self._events(response, pieces, self._reader_of(response))
        for event in self._rest:
            if self._begins_with(event):
                return

    def _events(
        self, response: httpx.Response, pieces: Iterator[bytes], reader: StreamReader
    ) -> Iterator[StreamEvent]:
        try:
            for chunk in pieces:
                yield from reader.feed(chunk)
                if reader.accumulator.done:
                    break
            with near_the_end(response):
                for chunk in pieces:
                    yield from reader.feed(chunk)
        except (httpx.HTTPError, httpx.StreamError) as error:
            yield from reader.rescue()
            if not reader.accumulator.done:
                raise self._exchange.error_of(error, self._request, reader=reader) from error
        yield from reader.finish()
        self._attempts.succeeded(reader.head.request_id)
