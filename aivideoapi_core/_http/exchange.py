"""What the clients of both colours share: every decision about requests, replies and failures.

httpx's types appear here, but nothing waits: sockets, clocks and sleeping are in ``client`` and
``async_client``.
"""

from __future__ import annotations

import json
import logging
import random
import ssl
from collections.abc import (
    Callable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr
from pydantic_core import PydanticSerializationError, to_json

from aivideoapi_core._catalogue.prices import ModelPrices
from aivideoapi_core._errors import (
    AIVideoAPIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    IncompleteStreamError,
    InvalidInputError,
    ResponseFormatError,
    StreamTimeoutError,
)
from aivideoapi_core._http.pools import RequestTemplate, Timeout
from aivideoapi_core._http.retry import RetryPolicy, parse_retry_after, parse_should_retry
from aivideoapi_core._http.target import (
    as_secret,
    check_key_shape,
    is_loopback_url,
    resolve_api_key,
    resolve_base_url,
)
from aivideoapi_core._inbound.balance import Balance, parse_balance
from aivideoapi_core._inbound.error_bodies import LABEL_CHARS
from aivideoapi_core._inbound.reader import MAX_BODY_BYTES, ReplyHead, StreamReader, parse_body, parse_json
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.meter import Budget, CallMeter, Ledger, Metering, Tags
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._outbound.headers import build_headers
from aivideoapi_core._received import Message
from aivideoapi_core._secrets import excerpt_of, redact
from aivideoapi_core._version import __version__

logger = logging.getLogger("aivideoapi")

DEFAULT_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
"""Seconds, the official client's numbers: 600 between two pieces of a reply, 5 to connect."""
MAX_REQUEST_BYTES: Final = 32 * 1024 * 1024
"""Official limit of a request body."""
MAX_ERROR_BODY_BYTES: Final = 64 * 1024

_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.WriteError,
    httpx.WriteTimeout,
)
"""The server has not got the whole request, so it cannot have worked on it."""
_WHERE_TO_LOOK: Final = {
    True: "; is anything running there? 'aivideoapi sandbox' starts a server on this machine",
    False: "; check the network, the proxy and base_url: 'aivideoapi doctor' looks at them",
}
"""By whether the server is on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call, ready to be sent as often as needed. ``headers``: of this call alone, checked."""

    model: str
    body: bytes | None
    headers: Mapping[str, str] | None
    timeout: Timeout
    stream: bool
    free: bool = False
    """Costs nothing, so that any failure may be followed by another try."""


class Attempts:
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

    def broke_off(self, error: AIVideoAPIError) -> AIVideoAPIError:
        """``error`` to raise, after the caller has got part of the answer: there is no other try."""
        error.attempts = self.made + 1
        logger.info("attempt %d broke off: %s", error.attempts, _label(error))
        return _shown(error)

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


class Transport:
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
        DROPPED.watch()
        api_key = as_secret(api_key)  # before anything can fail: a traceback may show local variables
        self.base_url = _checked_url(resolve_base_url(base_url, allow_http=allow_http))
        self._messages_url = httpx.URL(f"{self.base_url}/v1/messages")
        self._credits_url = httpx.URL(f"{self.base_url}/v1/credits")
        self.api_key = resolve_api_key(api_key)
        check_key_shape(self.api_key, self.base_url)
        self.retry = retry or RetryPolicy()
        self.timeout = _checked_timeout(timeout)
        self._timeout_s = _seconds(self.timeout)
        self._default_headers = build_headers(default_headers)
        self._templates: dict[tuple[bool, bool], RequestTemplate] = {}
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
    ) -> Request:
        """One call; ``timeout=None`` means the client's own."""
        body = _encode(payload)
        if len(body) > MAX_REQUEST_BYTES:
            raise InvalidInputError(
                f"the request has {len(body):,} bytes, more than the {MAX_REQUEST_BYTES:,} that the wire takes: "
                "send images and documents by URL, or fewer of them"
            )
        return Request(
            model=str(payload["model"]),
            body=body,
            headers=build_headers(headers) if headers else None,
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

    def _credits_request(self) -> Request:
        return Request(model="", body=None, headers=None, timeout=self.timeout, stream=False, free=True)

    def _headers(self, request: Request) -> dict[str, str]:
        """Everything but what httpx adds; the later ones win, and nobody can replace the key."""
        accept = "text/event-stream" if request.stream else "application/json"
        return {
            "user-agent": f"aivideoapi-adapters/{__version__}",
            **({} if request.body is None else {"content-type": "application/json"}),
            "accept": accept,
            **self._default_headers,
            **(request.headers or {}),
            "authorization": f"Bearer {self.api_key.get_secret_value()}",
        }

    def _target(self, request: Request) -> tuple[str, httpx.URL]:
        return ("GET", self._credits_url) if request.body is None else ("POST", self._messages_url)

    def _build(self, request: Request, client: httpx.Client | httpx.AsyncClient | None) -> httpx.Request:
        """The request for ``client``, which has headers, parameters and cookies of its own, or for our pool."""
        if client is not None:
            method, url = self._target(request)
            return client.build_request(
                method, url, content=request.body, headers=self._headers(request), timeout=request.timeout
            )
        if request.headers is not None:
            template = RequestTemplate(*self._target(request), self._headers(request))
        else:
            kind = request.stream, request.body is None
            known = self._templates.get(kind)
            template = known or RequestTemplate(*self._target(request), self._headers(request))
            self._templates[kind] = template
        # Nearly every call has the client's own timeout.
        timeout = self._timeout_s if request.timeout is self.timeout else _seconds(request.timeout)
        return template.request(request.body, timeout)

    def _status_error(self, response: httpx.Response, body: bytes) -> APIStatusError:
        if response.is_redirect:
            place = redact(response.headers.get("location", ""), self.api_key)
            payload: Any = {"error": {"message": f"the server redirects to {place!r}; check base_url"}}
        else:
            payload = parse_json(body, cut=len(body) > MAX_ERROR_BODY_BYTES)
        return self._head_of(response).error_of(payload, body)

    def _head_of(self, response: httpx.Response) -> ReplyHead:
        # httpx's own look-ups decode and compare every header each time.
        headers = {
            name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers.raw
        }
        request_id = headers.get("request-id") or headers.get("x-request-id")
        return ReplyHead(
            status_code=response.status_code,
            request_id=redact(request_id, self.api_key)[:LABEL_CHARS] if request_id else None,
            retry_after_s=parse_retry_after(headers, now=datetime.now(UTC)),
            should_retry=parse_should_retry(headers),
            secret=self.api_key,
        )

    def _transport_error(
        self,
        error: httpx.HTTPError | httpx.StreamError,
        request: Request,
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
                "pass http_client= with its certificate",
                never_sent=True,
            )
        never_sent = isinstance(error, _NEVER_SENT)
        if timed_out:
            return APITimeoutError(
                f"no answer from {self.base_url} in time ({text})",
                never_sent=never_sent,
                retryable=never_sent or request.free or self.retry.retry_read_timeouts,
            )
        advice = _WHERE_TO_LOOK[is_loopback_url(self.base_url)] if never_sent else ""
        return APIConnectionError(
            f"no answer from {self.base_url} ({text}){advice}",
            never_sent=never_sent,
            retryable=never_sent or request.free or request.stream,
        )

    def _parse_reply(
        self, request: Request, response: httpx.Response, body: bytes, attempts: Attempts
    ) -> Reply:
        head = self._head_of(response)
        if len(body) > MAX_BODY_BYTES:
            raise ResponseFormatError(
                f"the server sent a body of more than {MAX_BODY_BYTES} bytes", request_id=head.request_id
            )
        message = parse_body(body, head)
        return self._reply(message, request, head.request_id, attempts.succeeded(head.request_id))

    def _reply(self, message: Message, request: Request, request_id: str | None, attempts: int) -> Reply:
        return Reply(message, request.model, request_id, attempts, self._metering.prices.get(request.model))

    def _parse_balance(self, response: httpx.Response, body: bytes) -> Balance:
        payload = parse_json(body)
        balance = parse_balance(payload)
        if balance is not None:
            return balance
        if isinstance(payload, dict) and payload.get("code") not in (None, 0, 200):
            raise self._status_error(response, body)
        raise ResponseFormatError(
            "the server's answer is not a balance",
            status_code=response.status_code,
            request_id=self._head_of(response).request_id,
            body=excerpt_of(body, self.api_key),
        )


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


def _seconds(timeout: Timeout) -> dict[str, float | None]:
    return httpx.Timeout(timeout).as_dict()


def _encode(payload: Mapping[str, Any]) -> bytes:
    try:
        body = to_json(payload)
        if b"NaN" in body or b"Infinity" in body:
            json.dumps(payload, allow_nan=False, default=str)
    except (PydanticSerializationError, ValueError, TypeError) as error:
        raise InvalidInputError(f"the request cannot be written as JSON: {error}") from error
    return body


def body_limit(response: httpx.Response) -> int:
    return MAX_BODY_BYTES if response.is_success else MAX_ERROR_BODY_BYTES
