"""The thin shell: httpx, clocks and sleeping around the pure core. The only file that imports httpx."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import random
import ssl
import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, finalize, ref

import httpx
from pydantic import SecretStr
from pydantic_core import PydanticSerializationError, to_json

from aivideoapi_core._config import (
    as_secret,
    build_headers,
    check_key_shape,
    is_loopback_url,
    resolve_api_key,
    resolve_base_url,
)
from aivideoapi_core._errors import (
    LABEL_CHARS,
    AIVideoAPIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    IncompleteStreamError,
    InvalidInputError,
    ResponseFormatError,
    StreamTimeoutError,
    excerpt_of,
    redact,
)
from aivideoapi_core._lanes import Lane, Lanes
from aivideoapi_core._meter import Budget, CallMeter, Ledger, Metering, Tags
from aivideoapi_core._prices import ModelPrices
from aivideoapi_core._reader import MAX_BODY_BYTES, ReplyHead, StreamReader, parse_body, parse_json
from aivideoapi_core._record import CallRecord
from aivideoapi_core._reply import Reply
from aivideoapi_core._retry import RetryPolicy, parse_retry_after, parse_should_retry
from aivideoapi_core._stream import MessageAccumulator
from aivideoapi_core._types import Message, StreamEvent
from aivideoapi_core._version import __version__

logger = logging.getLogger("aivideoapi")

Timeout: TypeAlias = float | httpx.Timeout | None
_C = TypeVar("_C", httpx.Client, httpx.AsyncClient)

DEFAULT_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
"""Seconds, the official client's numbers: 600 between two pieces of a reply, 5 to connect."""
MAX_REQUEST_BYTES: Final = 32 * 1024 * 1024
"""Official limit of a request body."""
MAX_ERROR_BODY_BYTES: Final = 64 * 1024

_KEEPALIVE_S: Final = 30.0
_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=20, keepalive_expiry=_KEEPALIVE_S
)
_LANE_ROOM: Final = 16
"""Requests at a time in each of the asynchronous client's pools; see ``_lanes``."""
_WARM_LANES: Final = 4
_WARM_LANE_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=8, keepalive_expiry=_KEEPALIVE_S
)
_COLD_LANE_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""Only a burst comes this far, and nobody would look after what it leaves behind."""

_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.WriteError,
    httpx.WriteTimeout,
)
"""The server has not got the whole request, so it cannot have worked on it."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The account's credits, in whole credits as the platform sends them."""

    balance: int
    total_purchased: int
    total_consumed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """One call, ready to be sent as often as needed. ``headers`` never holds the key."""

    method: str
    url: httpx.URL
    model: str
    body: bytes | None
    headers: Mapping[str, str]
    timeout: Timeout
    stream: bool
    free: bool = False
    """Costs nothing, so that any failure may be followed by another try."""


class _Attempts:
    """Counts the tries of one call and says how long to wait for the next."""

    def __init__(self, policy: RetryPolicy, call: CallMeter | None = None) -> None:
        self._policy = policy
        self._call = call
        self.made = 0

    def wait_s(self, error: AIVideoAPIError) -> float:
        """Seconds to wait after a failed try; raises ``error`` when there shall be no other."""
        jitter = random.random()  # noqa: S311 - spreads clients in time, protects nothing
        delay_s = self._policy.delay_s(self.made, error, jitter=jitter)
        self.made += 1
        error.attempts = self.made
        if delay_s is None:
            logger.info("attempt %d failed, giving up: %s", self.made, _label(error))
            raise _shown(error)
        logger.info("attempt %d failed, next in %.2f s: %s", self.made, delay_s, _label(error))
        if self._call is not None:
            self._call.retrying(error)
        return delay_s

    def broke_off(self, error: AIVideoAPIError) -> None:
        """Note a failure after the caller has got part of the answer: there is no other try."""
        error.attempts = self.made + 1
        logger.info("attempt %d broke off: %s", error.attempts, _label(error))

    def succeeded(self, request_id: str | None) -> int:
        """Log the success; the number of requests made."""
        logger.debug("attempt %d succeeded (request %s)", self.made + 1, request_id)
        return self.made + 1


def _shown(error: AIVideoAPIError) -> AIVideoAPIError:
    """``error`` for the caller, without our inner frames: their variables hold what the server sent,
    and a server may have sent the key back.
    """
    return error.with_traceback(None)


def _label(error: AIVideoAPIError) -> str:
    """What a log line may say of an error: never content."""
    facts = (type(error).__name__, error.status_code, error.code or error.type, error.request_id)
    return " ".join(str(fact) for fact in facts if fact)


class _Settings:
    """What both clients share: where to, with which key, how patiently; and every decision."""

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        default_headers: Mapping[str, str] | None = None,
        allow_http: bool = False,
        budget: Budget | None = None,
        ledger: Ledger | None = None,
        prices: Mapping[str, ModelPrices] | None = None,
        tags: Tags = (),
        framework: str | None = None,
        on_call: Callable[[CallRecord], None] | None = None,
    ) -> None:
        """``None`` for ``api_key`` or ``base_url`` means the environment (``AIVIDEOAPI_API_KEY``,
        ``AIVIDEOAPI_BASE_URL``), then the platform. ``timeout`` in seconds, or an ``httpx.Timeout``.
        ``budget`` (a ``CreditBudget``) may refuse a call, ``ledger`` (a ``SpendLedger``) writes each down,
        ``on_call`` is told of each when it is over; ``prices`` by model id replace the published ones,
        ``tags`` and ``framework`` go on every record.
        Raises ``InvalidInputError`` for a missing key or a URL that would leak it.
        """
        api_key = as_secret(api_key)  # before anything can fail: a traceback may show local variables
        self.base_url = _checked_url(resolve_base_url(base_url, allow_http=allow_http))
        self._messages_url = httpx.URL(f"{self.base_url}/v1/messages")
        self.api_key = resolve_api_key(api_key)
        check_key_shape(self.api_key, self.base_url)
        self.retry = retry or RetryPolicy()
        self.timeout = _checked_timeout(timeout)
        self._default_headers = build_headers(default_headers)
        self._metering = Metering(
            budget=budget,
            ledger=ledger,
            prices=prices or {},
            tags=tags,
            framework=framework,
            on_call=on_call,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def _messages_request(
        self, payload: Mapping[str, Any], headers: Mapping[str, str] | None, timeout: Timeout
    ) -> _Request:
        """One call; ``timeout=None`` means the client's own."""
        body = _encode(payload)
        if len(body) > MAX_REQUEST_BYTES:
            raise InvalidInputError(
                f"the request has {len(body):,} bytes, more than the {MAX_REQUEST_BYTES:,} that the wire takes: "
                "send images and documents by URL, or fewer of them"
            )
        return _Request(
            method="POST",
            url=self._messages_url,
            model=str(payload["model"]),
            body=body,
            headers={
                "content-type": "application/json",
                "accept": "text/event-stream" if payload["stream"] else "application/json",
                **(build_headers(self._default_headers, headers) if headers else self._default_headers),
            },
            timeout=self.timeout if timeout is None else _checked_timeout(timeout),
            stream=bool(payload["stream"]),
        )

    def _meter(self, payload: Mapping[str, Any], tags: Sequence[str]) -> CallMeter:
        # Only what timed out is ever made again although it may have been billed.
        again = self.retry.retry_read_timeouts
        return CallMeter(
            self._metering,
            payload,
            tags=tags,
            base_url=self.base_url,
            max_requests=1 + self.retry.max_retries if again else 1,
        )

    def _credits_request(self) -> _Request:
        return _Request(
            method="GET",
            url=httpx.URL(f"{self.base_url}/v1/credits"),
            model="",
            body=None,
            headers={"accept": "application/json", **self._default_headers},
            timeout=self.timeout,
            stream=False,
            free=True,
        )

    def _build(
        self, client: httpx.Client | httpx.AsyncClient, request: _Request, *, own: bool
    ) -> httpx.Request:
        headers = {
            "user-agent": f"aivideoapi-adapters/{__version__}",
            **request.headers,
            "authorization": f"Bearer {self.api_key.get_secret_value()}",
        }
        if not own:  # a caller's client has headers, parameters and cookies of its own
            return client.build_request(
                request.method, request.url, content=request.body, headers=headers, timeout=request.timeout
            )
        # The same without merging: four fifths of what build_request costs.
        return httpx.Request(
            request.method,
            request.url,
            content=request.body,
            headers={
                "accept-encoding": client.headers["accept-encoding"],
                "connection": "keep-alive",
                **headers,
            },
            extensions={"timeout": httpx.Timeout(request.timeout).as_dict()},
        )

    def _status_error(self, response: httpx.Response, body: bytes) -> APIStatusError:
        if response.is_redirect:
            place = redact(response.headers.get("location", ""), self.api_key)
            payload: Any = {"error": {"message": f"the server redirects to {place!r}; check base_url"}}
        else:
            payload = parse_json(body, cut=len(body) > MAX_ERROR_BODY_BYTES)
        return self._head_of(response).error_of(payload, body)

    def _request_id(self, response: httpx.Response) -> str | None:
        request_id = response.headers.get("request-id") or response.headers.get("x-request-id")
        return redact(request_id, self.api_key)[:LABEL_CHARS] if request_id else None

    def _head_of(self, response: httpx.Response) -> ReplyHead:
        return ReplyHead(
            status_code=response.status_code,
            request_id=self._request_id(response),
            retry_after_s=parse_retry_after(response.headers, now=datetime.now(UTC)),
            should_retry=parse_should_retry(response.headers),
            secret=self.api_key,
        )

    def _transport_error(
        self,
        error: httpx.HTTPError | httpx.StreamError,
        request: _Request,
        *,
        reader: StreamReader | None = None,
    ) -> AIVideoAPIError:
        """The typed error for what httpx raised; ``reader`` if a streamed reply had begun to arrive.

        The work is billed from the first byte of a stream on, and for a whole reply from the moment
        the request is out. Only before that is a failed call worth another try; and where we lost
        patience while the server may still have been at work, nobody knows, so there is none either.
        """
        text = redact(
            f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, self.api_key
        )
        timed_out = isinstance(error, httpx.TimeoutException)
        if isinstance(error, httpx.LocalProtocolError):
            return InvalidInputError(f"the request cannot be sent; check the headers ({text})")
        if reader is not None and reader.touched:
            return reader.described(_broken_stream(text, timed_out=timed_out))
        if isinstance(error, httpx.DecodingError):
            return ResponseFormatError(f"the server's compressed reply cannot be decoded ({text})")
        if _is_distrust(error):
            return APIConnectionError(
                f"the certificate of {self.base_url} is not trusted ({text}); for a private authority "
                "pass http_client= with its certificate"
            )
        unsent = isinstance(error, _NEVER_SENT) or request.free
        if timed_out:
            retryable = unsent or self.retry.retry_read_timeouts
            return APITimeoutError(f"no answer from {self.base_url} in time ({text})", retryable=retryable)
        return APIConnectionError(
            f"no answer from {self.base_url} ({text})", retryable=unsent or request.stream
        )

    def _parse_reply(
        self, request: _Request, response: httpx.Response, body: bytes, attempts: _Attempts
    ) -> Reply:
        head = self._head_of(response)
        if len(body) > MAX_BODY_BYTES:
            raise ResponseFormatError(
                f"the server sent a body of more than {MAX_BODY_BYTES} bytes", request_id=head.request_id
            )
        message = parse_body(body, head)
        return self._reply(message, request, head.request_id, attempts.succeeded(head.request_id))

    def _reply(self, message: Message, request: _Request, request_id: str | None, attempts: int) -> Reply:
        return Reply(message, request.model, request_id, attempts, self._metering.prices.get(request.model))

    def _parse_balance(self, response: httpx.Response, body: bytes) -> Balance:
        payload = parse_json(body)
        data = payload.get("data") if isinstance(payload, dict) else None
        fields = ("balance", "total_purchased", "total_consumed")
        if isinstance(data, dict) and all(type(data.get(field)) is int for field in fields):
            return Balance(**{field: data[field] for field in fields})
        if isinstance(payload, dict) and payload.get("code") not in (None, 0, 200):
            raise self._status_error(response, body)
        raise ResponseFormatError(
            "the server's answer is not a balance",
            status_code=response.status_code,
            request_id=self._request_id(response),
            body=excerpt_of(body, self.api_key),
        )

    def _client_options(self, limits: httpx.Limits) -> dict[str, Any]:
        own_machine = is_loopback_url(self.base_url)
        return {
            "limits": limits,
            "follow_redirects": False,
            "verify": _no_authorities() if own_machine else _authorities(),
            # A proxy from the environment would be sent the key of a plain-http request in the clear.
            "trust_env": not own_machine,
        }


def _broken_stream(text: str, *, timed_out: bool) -> IncompleteStreamError:
    if timed_out:
        return StreamTimeoutError(f"the stream went silent before message_stop ({text})")
    return IncompleteStreamError(f"the stream broke off before message_stop ({text})")


def _is_distrust(error: BaseException | None) -> bool:
    """Whether a certificate was refused: that does not pass by waiting."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _checked_url(base_url: str) -> str:
    """``base_url``, if httpx reads the same host from it as the checks of its origin did."""
    try:
        host = httpx.URL(base_url).host
    except httpx.InvalidURL:
        host = ""
    if host.lower() != urlsplit(base_url).hostname:
        raise InvalidInputError("base_url is not a URL that can be reached; check its host")
    return base_url


def _checked_timeout(timeout: Timeout) -> Timeout:
    if timeout is None or isinstance(timeout, httpx.Timeout):
        return timeout
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < float("inf"):
        raise InvalidInputError(
            f"timeout must be a positive number of seconds, an httpx.Timeout or None, not {timeout!r}"
        )
    return timeout


def _checked_client(http_client: _C | None, wanted: type[_C]) -> _C | None:
    """The caller's own client, unless it is of the other colour."""
    other: tuple[type, ...] = (httpx.Client, httpx.AsyncClient)
    if isinstance(http_client, other) and not isinstance(http_client, wanted):
        raise InvalidInputError(f"http_client must be an httpx.{wanted.__name__} here")
    return http_client


def _check_open(http_client: httpx.Client | httpx.AsyncClient) -> None:
    if getattr(http_client, "is_closed", False):
        raise InvalidInputError("http_client is closed; pass one that is open for as long as it is used")


def _encode(payload: Mapping[str, Any]) -> bytes:
    try:
        body = to_json(payload)
        if b"NaN" in body or b"Infinity" in body:
            json.dumps(payload, allow_nan=False, default=str)
    except (PydanticSerializationError, ValueError, TypeError) as error:
        raise InvalidInputError(f"the request cannot be written as JSON: {error}") from error
    return body


def _body_limit(response: httpx.Response) -> int:
    return MAX_BODY_BYTES if response.is_success else MAX_ERROR_BODY_BYTES


def _pieces(response: httpx.Response) -> Iterable[bytes]:
    """The pieces of a body as they arrive.

    httpx's own iterators cost as much for each piece as all of our decoding, and do nothing with a
    body that is neither compressed nor read already.
    """
    if response.is_stream_consumed or "content-encoding" in response.headers:
        return response.iter_bytes()
    return cast("httpx.SyncByteStream", response.stream)


def _async_pieces(response: httpx.Response) -> AsyncIterable[bytes]:
    """The asynchronous twin of ``_pieces``."""
    if response.is_stream_consumed or "content-encoding" in response.headers:
        return response.aiter_bytes()
    return cast("httpx.AsyncByteStream", response.stream)


@functools.cache
def _authorities() -> ssl.SSLContext:
    """One TLS context per process: making one costs 20 ms."""
    return httpx.create_ssl_context()


@functools.cache
def _no_authorities() -> ssl.SSLContext:
    """For plain http on the loopback address: trusts nobody, and costs nothing to make."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _OwnClient(NamedTuple):
    """A client that we made, in which process, and what closes it when its owner is gone."""

    pid: int
    http: httpx.Client
    close: Callable[[], object]


class MessagesClient(_Settings):
    """The Messages endpoint, synchronously. Safe to share between threads.

    ``http_client`` replaces the client's own ``httpx.Client`` (proxies, custom CA, mTLS); it is not
    closed by ``close()``.
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
        self._given = _checked_client(http_client, httpx.Client)
        self._lock = threading.Lock()
        self._own: _OwnClient | None = None

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
            attempts = _Attempts(self.retry, call)
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
        attempts = _Attempts(self.retry)
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

    def _http(self) -> httpx.Client:
        if self._given is not None:
            _check_open(self._given)
            return self._given
        pid, own = os.getpid(), self._own
        if own is not None and own.pid == pid:
            return own.http
        if own is not None:  # we are a fork: neither its sockets nor its lock can be trusted here
            self._lock, self._own = threading.Lock(), None
        with self._lock:
            if self._own is None:
                http = httpx.Client(**self._client_options(_LIMITS))
                self._own = _OwnClient(pid, http, finalize(self, http.close))
            return self._own.http

    def _send(self, request: _Request) -> httpx.Response:
        """Send once; an open response whose status is a success, else the typed error."""
        client = self._http()
        try:
            response = client.send(
                self._build(client, request, own=self._given is None), stream=True, follow_redirects=False
            )
        except httpx.HTTPError as error:
            raise self._transport_error(error, request) from error
        if response.is_success:
            return response
        raise self._status_error(response, self._read(response, request))

    def _read(self, response: httpx.Response, request: _Request) -> bytes:
        body = bytearray()
        try:
            for chunk in _pieces(response):
                body += chunk
                if len(body) > _body_limit(response):
                    break
        except (httpx.HTTPError, httpx.StreamError) as error:
            if response.is_success:
                raise self._transport_error(error, request) from error
        finally:
            response.close()
        return bytes(body)

    def _fetch(self, request: _Request) -> tuple[httpx.Response, bytes]:
        response = self._send(request)
        return response, self._read(response, request)


class MessageStream:
    """A streamed reply: a context manager, to be iterated once. ``reply`` is there after the last event.

    Entering it waits for the first piece of content, so that what fails before is retried as a whole.
    Leaving it closes the connection at once.
    """

    def __init__(self, client: MessagesClient, request: _Request, call: CallMeter) -> None:
        self._client = client
        self._request = request
        self._call = call
        self._attempts = _Attempts(client.retry, call)
        self._response: httpx.Response | None = None
        self._reader = StreamReader()
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
            self._attempts.broke_off(error)
            raise _shown(error)  # noqa: B904 - it is the same error

    @property
    def reply(self) -> Reply:
        """The whole reply. Raises ``IncompleteStreamError`` before the last event."""
        message = self._reader.accumulator.message()
        request_id = self._client._request_id(self._response) if self._response is not None else None
        return self._client._reply(message, self._request, request_id, self._attempts.made + 1)

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
                self._call.finish(error, partial=accumulator.partial())

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
        try:
            for chunk in _pieces(response):
                yield from reader.feed(chunk)
        except (httpx.HTTPError, httpx.StreamError) as error:
            if not reader.accumulator.done:
                raise self._client._transport_error(error, self._request, reader=reader) from error
        yield from reader.finish()
        self._attempts.succeeded(self._client._request_id(response))


class AsyncMessagesClient(_Settings):
    """The Messages endpoint, asynchronously. May be used from many event loops, one after the other.

    It keeps ``httpx.AsyncClient``s per event loop, closed when that loop shuts down.
    ``http_client`` replaces them all; it is not closed by ``aclose()``.
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
        self._given = _checked_client(http_client, httpx.AsyncClient)
        self._given_lane = None if self._given is None else Lane(self._given)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._own: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[Lanes[httpx.AsyncClient], AsyncGenerator[None, None]]
        ] = WeakKeyDictionary()

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
            attempts = _Attempts(self.retry, call)
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
        attempts = _Attempts(self.retry)
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
            await own[1].aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _lane(self) -> Lane[httpx.AsyncClient]:
        if self._given_lane is not None:
            _check_open(self._given_lane.client)
            return self._given_lane
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():  # we are a fork: neither the sockets nor the lock can be trusted here
            self._pid, self._lock, self._own = os.getpid(), threading.Lock(), WeakKeyDictionary()
        with self._lock:
            own = self._own.get(loop)
            if own is not None:
                return own[0].pick()
            for other in [other for other in self._own if other.is_closed()]:
                del self._own[other]  # ended without closing its generators; its sockets are gone
            lanes = Lanes(self._new_client, room=_LANE_ROOM)
            closer = _close_with_loop(lanes, ref(self._own))
            self._own[loop] = lanes, closer
        await anext(closer)
        return lanes.pick()

    def _new_client(self, number: int) -> httpx.AsyncClient:
        limits = _WARM_LANE_LIMITS if number < _WARM_LANES else _COLD_LANE_LIMITS
        return httpx.AsyncClient(**self._client_options(limits))

    async def _send(self, request: _Request) -> httpx.Response:
        """Send once; an open response whose status is a success, else the typed error."""
        lane = await self._lane()
        try:
            with lane:
                sent = self._build(lane.client, request, own=self._given is None)
                response = await lane.client.send(sent, stream=True, follow_redirects=False)
        except httpx.HTTPError as error:
            raise self._transport_error(error, request) from error
        lane.serves(response)
        if response.is_success:
            return response
        raise self._status_error(response, await self._read(response, request))

    async def _read(self, response: httpx.Response, request: _Request) -> bytes:
        body = bytearray()
        try:
            async for chunk in _async_pieces(response):
                body += chunk
                if len(body) > _body_limit(response):
                    break
        except (httpx.HTTPError, httpx.StreamError) as error:
            if response.is_success:
                raise self._transport_error(error, request) from error
        finally:
            await response.aclose()
        return bytes(body)

    async def _fetch(self, request: _Request) -> tuple[httpx.Response, bytes]:
        response = await self._send(request)
        return response, await self._read(response, request)


async def _close_with_loop(
    lanes: Lanes[httpx.AsyncClient], clients: ref[WeakKeyDictionary[asyncio.AbstractEventLoop, Any]]
) -> AsyncGenerator[None, None]:
    """An open generator that closes the clients of ``lanes`` when its event loop shuts down (or we are collected)."""
    try:
        yield
    finally:
        known = clients()
        if known is not None:  # the entry refers to its own key, so the loop would never be collected
            known.pop(asyncio.get_running_loop(), None)
        for client in lanes:
            await client.aclose()


async def _nothing() -> AsyncGenerator[StreamEvent, None]:
    """No events."""
    events: tuple[StreamEvent, ...] = ()
    for event in events:
        yield event


class AsyncMessageStream:
    """The asynchronous twin of ``MessageStream``."""

    def __init__(self, client: AsyncMessagesClient, request: _Request, call: CallMeter) -> None:
        self._client = client
        self._request = request
        self._call = call
        self._attempts = _Attempts(client.retry, call)
        self._response: httpx.Response | None = None
        self._reader = StreamReader()
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
            self._attempts.broke_off(error)
            raise _shown(error)  # noqa: B904 - it is the same error

    @property
    def reply(self) -> Reply:
        """The whole reply. Raises ``IncompleteStreamError`` before the last event."""
        message = self._reader.accumulator.message()
        request_id = self._client._request_id(self._response) if self._response is not None else None
        return self._client._reply(message, self._request, request_id, self._attempts.made + 1)

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
                await self._call.afinish(error, partial=accumulator.partial())

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
        try:
            async for chunk in _async_pieces(response):
                for event in reader.feed(chunk):
                    yield event
        except (httpx.HTTPError, httpx.StreamError) as error:
            if not reader.accumulator.done:
                raise self._client._transport_error(error, self._request, reader=reader) from error
        for event in reader.finish():
            yield event
        self._attempts.succeeded(self._client._request_id(response))
