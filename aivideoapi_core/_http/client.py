"""The synchronous shell: sockets and sleeping around the pure core."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, cast
from weakref import finalize

import httpx
from pydantic import SecretStr

from aivideoapi_core._errors import (
    AIVideoAPIError,
)
from aivideoapi_core._http.exchange import Attempts, Request, Transport, body_limit
from aivideoapi_core._http.pools import (
    KEEPALIVE_S,
    Pool,
    Timeout,
    check_open,
    checked_client,
    given_pool,
    near_the_end,
    own_pool,
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

_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_S
)


def _pieces(response: httpx.Response) -> Iterable[bytes]:
    """The pieces of a body as they arrive.

    httpx's own iterators put each piece through a decoder and a buffer, which do nothing for a body
    that is neither compressed nor read already.
    """
    if response.is_stream_consumed or "content-encoding" in response.headers:
        return response.iter_bytes()
    return cast("httpx.SyncByteStream", response.stream)


class _OwnPool(NamedTuple):
    """Connections that we made, in which process, and what closes them when their owner is gone."""

    pid: int
    pool: Pool
    close: Callable[[], object]


class MessagesClient(Transport):
    """The Messages endpoint, synchronously. Safe to share between threads.

    ``http_client`` replaces the client's own connections (proxies, custom CA, mTLS); it is not closed
    by ``close()``.
    """

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None = None,
        http_client: httpx.Client | None = None,
        **settings: Any,
    ) -> None:
        api_key = as_secret(api_key)
        super().__init__(api_key=api_key, **settings)
        self._given = checked_client(http_client, httpx.Client)
        self._given_pool = None if self._given is None else given_pool(self._given)
        self._lock = threading.Lock()
        self._own: _OwnPool | None = None

    def create(
        self,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | None = None,
        tags: Sequence[str] = (),
    ) -> Reply:
        """Make one call and return the whole reply. ``payload`` is from ``build_payload``; ``tags`` go on its record."""
        request = self._messages_request(payload, headers, timeout)
        with self._meter(payload, tags) as call:
            attempts = Attempts(self.retry, call)
            while True:
                try:
                    return call.answered(self._parse_reply(request, *self._fetch(request), attempts))
                except AIVideoAPIError as error:
                    time.sleep(attempts.wait_s(error))

    def stream(
        self,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | None = None,
        tags: Sequence[str] = (),
    ) -> MessageStream:
        """One streamed call, as a context manager that iterates over the events."""
        request = self._messages_request(payload, headers, timeout)
        return MessageStream(self, request, self._meter(payload, tags))

    def credits(self) -> Balance:
        """The account's balance."""
        request = self._credits_request()
        attempts = Attempts(self.retry)
        while True:
            try:
                return self._parse_balance(*self._fetch(request))
            except AIVideoAPIError as error:
                time.sleep(attempts.wait_s(error))

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        own, self._own = self._own, None
        if own is not None and own.pid == os.getpid():
            own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pool(self) -> Pool:
        if self._given is not None and self._given_pool is not None:
            check_open(self._given)
            return self._given_pool
        pid, own = os.getpid(), self._own
        if own is not None and own.pid == pid:
            return own.pool
        if own is not None:  # we are a fork: neither its sockets nor its lock can be trusted here
            self._lock, self._own = threading.Lock(), None
        with self._lock:
            if self._own is None:
                pool = own_pool(self.base_url, _LIMITS)
                self._own = _OwnPool(pid, pool, finalize(self, pool.close))
            return self._own.pool

    def _send(self, request: Request) -> httpx.Response:
        """Send once; an open response whose status is a success, else the typed error."""
        pool = self._pool()
        try:
            response = pool.send(self._build(request, self._given))
        except httpx.HTTPError as error:
            raise self._transport_error(error, request) from error
        if response.is_success:
            return response
        raise self._status_error(response, self._read(response, request))

    def _read(self, response: httpx.Response, request: Request) -> bytes:
        body = bytearray()
        try:
            for chunk in _pieces(response):
                body += chunk
                if len(body) > body_limit(response):
                    break
        except (httpx.HTTPError, httpx.StreamError) as error:
            if response.is_success:
                raise self._transport_error(error, request) from error
        finally:
            response.close()
        return bytes(body)

    def _fetch(self, request: Request) -> tuple[httpx.Response, bytes]:
        response = self._send(request)
        return response, self._read(response, request)


class MessageStream:
    """A streamed reply: a context manager, to be iterated once. ``reply`` is there after the last event.

    Entering it waits for the first piece of content, so that what fails before is retried as a whole.
    Leaving it closes the connection at once.
    """

    def __init__(self, client: MessagesClient, request: Request, call: CallMeter) -> None:
        self._client = client
        self._request = request
        self._call = call
        self._attempts = Attempts(client.retry, call)
        self._response: httpx.Response | None = None
        self._reader = StreamReader()
        self._reply: Reply | None = None
        self._first: list[StreamEvent] = []
        self._rest: Iterator[StreamEvent] = iter(())

    def __enter__(self) -> Self:
        self._call.__enter__()
        try:
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
        yield from self._first
        self._first = []
        try:
            yield from self._rest
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

    def close(self) -> None:
        """Release the connection. A stream that was not read to its end counts as abandoned."""
        self._leave(None)

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()

    def _leave(self, error: BaseException | None) -> None:
        try:
            self._disconnect()
        finally:
            if self._call.is_open:
                accumulator = self._reader.accumulator
                if accumulator.done:
                    self._call.answered(self.reply)
                self._call.finish(error, partial=None if accumulator.done else accumulator.partial())

    def _open(self) -> None:
        self._reader = StreamReader()  # what an earlier try has read is no part of this one
        self._response = self._client._send(self._request)
        self._reader = StreamReader(self._client._head_of(self._response))
        self._first = []
        self._rest = self._events(self._response, self._reader)
        for event in self._rest:
            self._first.append(event)
            if self._reader.begun:
                return

    def _events(self, response: httpx.Response, reader: StreamReader) -> Iterator[StreamEvent]:
        pieces = iter(_pieces(response))
        try:
            for chunk in pieces:
                yield from reader.feed(chunk)
                if reader.accumulator.done:
                    break
            with near_the_end(response):
                for chunk in pieces:
                    yield from reader.feed(chunk)
        except (httpx.HTTPError, httpx.StreamError) as error:
            if not reader.accumulator.done:
                raise self._client._transport_error(error, self._request, reader=reader) from error
        yield from reader.finish()
        self._attempts.succeeded(reader.head.request_id)
