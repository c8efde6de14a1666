"""The synchronous shell: sockets and sleeping around the pure core."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, Unpack, cast
from weakref import WeakMethod, finalize

import httpx
from pydantic import SecretStr

from aivideoapi_core._errors import AIVideoAPIError
from aivideoapi_core._http.attempts import Attempts
from aivideoapi_core._http.decoding import unpacked
from aivideoapi_core._http.exchange import Exchange, body_limit
from aivideoapi_core._http.pools import (
    KEEPALIVE_S,
    Pool,
    Timeout,
    check_open,
    checked_client,
    given_pool,
    own_pool,
)
from aivideoapi_core._http.read_deadline import near_the_end
from aivideoapi_core._http.requests import Request
from aivideoapi_core._http.retry import RetryPolicy
from aivideoapi_core._http.target import as_secret
from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._inbound.balance import Balance
from aivideoapi_core._inbound.reader import StreamReader, is_whole
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.budgets import Budgets
from aivideoapi_core._metering.call_facts import CallFacts
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.landing import Runway
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._received import Message, StreamEvent
from aivideoapi_core._secrets import hidden_arguments

_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_S
)
_OPEN: Final[dict[tuple[int, int], tuple[httpx.Response, Iterator[bytes]]]] = {}
"""What is being read, by process and stream. Held here, so that the collector never finds httpx's generators in the garbage of
a dropped stream: it would close them, and closing takes the lock of their pool, which this thread may hold."""


_INHERITED: Final[list[Callable[[], object]]] = []
"""What would close connections of a parent process. Their locks may be held by threads that are not here, so they
are left as they are."""


def _pieces(response: httpx.Response) -> Iterable[bytes]:
    """The pieces of a body as they arrive.

    httpx's own iterators put each piece through a decoder and a buffer, which do nothing for a body
    that is neither compressed nor read already.
    """
    if response.is_stream_consumed:
        return response.iter_bytes()
    if "content-encoding" in response.headers:
        return unpacked(response)
    return cast("httpx.SyncByteStream", response.stream)


def _close_dropped(close: Callable[[], object], pid: int) -> None:
    """Close connections whose owner is gone; a finalizer, which may take no lock in the collector."""
    if os.getpid() != pid:
        _INHERITED.append(close)
    elif DROPPED.in_collector:
        DROPPED.put(close)
    else:
        close()


class _OwnPool(NamedTuple):
    """Connections that we made, in which process, and what closes them when their owner is gone."""

    pid: int
    pool: Pool
    close: Callable[[], object]


class MessagesClient:
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
        """``settings`` are those of ``Exchange``. Raises ``InvalidInputError``."""
        api_key = as_secret(api_key)  # a traceback that shows local variables must not show the key
        with hidden_arguments(settings, self):
            self._exchange = Exchange(api_key=api_key, **settings)
            self._given = checked_client(http_client, httpx.Client)
            self._given_pool = None if self._given is None else given_pool(self._given)
            self._lock = threading.Lock()
            self._own: _OwnPool | None = None

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

    def create(
        self,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | None = None,
        **facts: Unpack[CallFacts],
    ) -> Reply:
        """Make one call and return the whole reply. ``payload`` is from ``build_payload``.

        ``facts``: see ``CallFacts``.
        """
        exchange = self._exchange
        request = exchange.messages_request(payload, headers, timeout)
        with exchange.meter(payload, request, facts) as call:
            request = exchange.as_granted(request, call)
            attempts = Attempts(exchange.retry, call)
            while True:
                try:
                    return call.answered(exchange.parse_reply(request, *self._fetch(request), attempts))
                except AIVideoAPIError as error:
                    time.sleep(attempts.wait_s(error))

    def stream(
        self,
        payload: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | None = None,
        **facts: Unpack[CallFacts],
    ) -> MessageStream:
        """One streamed call, as a context manager that iterates over the events."""
        request = self._exchange.messages_request(payload, headers, timeout)
        return MessageStream(
            self,
            request,
            self._exchange.meter(payload, request, facts),
        )

    def runway(self, budget: Budgets = None) -> Runway | None:
        """What the client's budgets, those of ``use_budget`` blocks and ``budget`` leave for an agent's calls."""
        return self._exchange.runway(budget)

    def credits(self) -> Balance:
        """The account's balance."""
        exchange = self._exchange
        request, attempts = exchange.credits_request(), Attempts(exchange.retry)
        while True:
            try:
                return exchange.parse_balance(*self._fetch(request))
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
                self._own = _OwnPool(pid, pool, finalize(self, _close_dropped, pool.close, pid))
            return self._own.pool

    def _send(self, request: Request) -> httpx.Response:
        """Send once; an open response whose status is a success, else the typed error."""
        try:
            built = self._exchange.build(request, self._given)
            response = self._pool().send(built)
        except Exception as error:  # httpx's own, and what its parts, proxies and certificates raise besides
            ours = self._exchange.error_before(error, request)
            if ours is None:
                raise
            raise ours from error
        request.handover.began = True  # who answers has got it, by whatever transport
        if response.is_success:
            return response
        raise self._exchange.status_error(response, self._read(response, request), model=request.model)

    def _read(self, response: httpx.Response, request: Request) -> bytes:
        body, limit = bytearray(), body_limit(response)
        try:
            for chunk in _pieces(response):
                body += chunk
                if len(body) > limit:
                    break
        except (httpx.HTTPError, httpx.StreamError) as error:
            if response.is_success and not is_whole(bytes(body)):
                raise self._exchange.error_of(error, request) from error
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
        self._exchange = client._exchange
        self._request = request
        self._call = call
        self._key = call.pid, id(self)
        call.owner = WeakMethod(self._partial)
        self._attempts = Attempts(client.retry, call)
        self._response: httpx.Response | None = None
        self._reader = StreamReader()
        self._reply: Reply | None = None
        self._first: list[StreamEvent] = []
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
            self._reply = self._exchange.reply(
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

    def _partial(self) -> Message | None:
        """What has come of a message that is not whole; a whole one is the answer."""
        accumulator = self._reader.accumulator
        if not accumulator.done:
            return accumulator.partial()
        self._call.answered(self.reply)
        return None

    def _open(self) -> None:
        self._reader = StreamReader()  # what an earlier try has read is no part of this one
        self._response = response = self._client._send(self._request)
        pieces = iter(_pieces(response))
        _OPEN[self._key] = response, pieces
        self._reader = StreamReader(self._exchange.head_of(response, model=self._request.model))
        self._first = []
        self._rest = self._events(response, pieces, self._reader)
        for event in self._rest:
            self._first.append(event)
            if self._reader.begun:
                self._call.answers()
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
