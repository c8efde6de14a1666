"""The exchange that clients of both colours share: every decision about requests, replies and failures.

httpx's types appear here, but nothing waits: sockets, clocks and sleeping are in ``client`` and
``async_client``.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from pydantic import SecretStr
from pydantic_core import PydanticSerializationError

from aivideoapi_core._catalogue.prices import ModelPrices
from aivideoapi_core._errors import AIVideoAPIError, APIStatusError, InvalidInputError, ResponseFormatError
from aivideoapi_core._http.attempts import Attempts
from aivideoapi_core._http.decoding import ACCEPTED
from aivideoapi_core._http.failures import Where, error_of, not_made
from aivideoapi_core._http.pools import Timeout, checked_timeout, timeout_parts_s
from aivideoapi_core._http.requests import Body, Request, RequestTemplate, endpoints
from aivideoapi_core._http.retry import RetryPolicy, parse_retry_after, parse_should_retry
from aivideoapi_core._http.target import (
    as_secret,
    check_key_shape,
    resolve_api_key,
    resolve_base_url,
)
from aivideoapi_core._inbound.balance import Balance, parse_balance
from aivideoapi_core._inbound.error_bodies import LABEL_CHARS
from aivideoapi_core._inbound.reader import MAX_BODY_BYTES, StreamReader, parse_body
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._inbound.whole import ReplyHead, error_in, parse_json
from aivideoapi_core._metering.attribution import Attribution
from aivideoapi_core._metering.budgets import Budget, Budgets, joined
from aivideoapi_core._metering.call_facts import CallFacts, check_names
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.landing import Runway
from aivideoapi_core._metering.meter import CallMeter, end_open_calls
from aivideoapi_core._metering.metering import Handover, Ledger, Metering, Tags, budget_of
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._outbound.headers import build_headers
from aivideoapi_core._outbound.text import sendable_json
from aivideoapi_core._received import Message
from aivideoapi_core._secrets import excerpt_of, redact
from aivideoapi_core._version import __version__

logger = logging.getLogger("aivideoapi")

DEFAULT_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
"""Seconds, the official client's numbers: 600 between two pieces of a reply, 5 to connect."""
MAX_REQUEST_BYTES: Final = 32 * 1024 * 1024
"""Official limit of a request body."""
MAX_ERROR_BODY_BYTES: Final = 64 * 1024
_READ: Final = frozenset(
    {b"request-id", b"x-request-id", b"retry-after-ms", b"retry-after", b"x-should-retry"}
)
"""The headers of a reply that say something to us."""


class Exchange:
    """Requests and replies of one client, decided without waiting: where to, with which key, how patiently.

    Both clients have one, and only send and read.
    """

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        default_headers: Mapping[str, str] | None = None,
        allow_http: bool = False,
        budget: Budgets = None,
        ledger: Ledger | None = None,
        prices: Mapping[str, ModelPrices] | None = None,
        tags: Tags = (),
        attribution: Callable[[], Attribution] | None = None,
        framework: str | None = None,
        on_call: Callable[[CallRecord], None] | None = None,
    ) -> None:
        """``None`` for ``api_key`` or ``base_url`` means the environment (``AIVIDEOAPI_API_KEY``,
        ``AIVIDEOAPI_BASE_URL``), then the platform. ``timeout`` in seconds, or an ``httpx.Timeout``.
        ``budget`` (a ``CreditBudget``, or a list of them) may refuse a call, ``ledger`` (a ``SpendLedger``) writes each down,
        ``on_call`` is told of each when it is over; ``prices`` by model id replace the published ones,
        ``tags``, ``framework`` and what ``attribution`` says at the time go on every record. Without a budget
        or a ledger those count that ``AIVIDEOAPI_BUDGET`` and ``AIVIDEOAPI_LEDGER`` name, if they do.
        Raises ``InvalidInputError`` for a missing key or a URL that would leak it.
        """
        DROPPED.watch(end_open_calls)
        api_key = as_secret(api_key)  # before anything can fail: a traceback may show local variables
        self.base_url = resolve_base_url(base_url, allow_http=allow_http)
        self._messages_url, self._credits_url = endpoints(self.base_url)
        self.api_key = resolve_api_key(api_key)
        check_key_shape(self.api_key, self.base_url)
        if retry is not None and not isinstance(retry, RetryPolicy):
            raise InvalidInputError(
                f"retry must be a RetryPolicy, such as RetryPolicy(max_retries=3), not {retry!r}"
            )
        self.retry = retry or RetryPolicy()
        self.timeout = checked_timeout(timeout)
        self._timeout_s = timeout_parts_s(self.timeout)
        self._default_headers = build_headers(default_headers)
        self._templates: dict[tuple[bool, bool], RequestTemplate] = {}
        self._where = Where(self.base_url, self.api_key, self.retry.retry_read_timeouts)
        prices = {} if prices is None else prices
        if not isinstance(prices, Mapping) or not all(isinstance(p, ModelPrices) for p in prices.values()):
            raise InvalidInputError(f"prices must be ModelPrices by model id, not {prices!r}")
        if ledger is not None and (isinstance(ledger, type) or not hasattr(ledger, "append_at_once")):
            raise InvalidInputError(
                f"ledger must be a SpendLedger, such as SpendLedger('ledger.sqlite'), not {ledger!r}"
            )
        self._metering = Metering(
            budget=_default_budget() if budget is None else joined(budget),
            ledger=_default_ledger() if ledger is None else ledger,
            prices=prices,
            tags=tags,
            attribution=attribution,
            framework=framework,
            on_call=on_call,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={vars(self).get('base_url')!r})"  # maybe it could not be made

    def messages_request(
        self, payload: Mapping[str, Any], headers: Mapping[str, str] | None, timeout: Timeout
    ) -> Request:
        """One call; ``timeout=None`` means the client's own."""
        if not isinstance(payload, Mapping) or "model" not in payload or "stream" not in payload:
            raise InvalidInputError("payload must say model, messages and stream, as build_payload(...) does")
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
            timeout=self.timeout if timeout is None else checked_timeout(timeout),
            stream=bool(payload["stream"]),
            handover=Handover(),
        )

    def meter(self, payload: Mapping[str, Any], request: Request, facts: CallFacts) -> CallMeter:
        """The owner of the bookkeeping of a call that is made by ``request``."""
        try:
            return CallMeter(
                self._metering,
                payload,
                base_url=self.base_url,
                max_requests=self._max_requests,
                handover=request.handover,
                **facts,
            )
        except TypeError:
            check_names(facts)
            raise

    def runway(self, budget: Budgets = None) -> Runway | None:
        """What is left for the calls of an agent, by all the budgets that they are held to; ``None`` without one."""
        held_to = budget_of(self._metering.budget, budget)
        if held_to is None:
            return None
        return Runway(held_to, self._metering.prices_of, requests=self._max_requests)

    @property
    def _max_requests(self) -> int:
        # Only what timed out is ever made again although it may have been billed.
        return 1 + self.retry.max_retries if self.retry.retry_read_timeouts else 1

    def as_granted(self, request: Request, call: CallMeter) -> Request:
        """``request`` with the ``max_tokens`` that the budget of ``call`` had room for."""
        if call.max_tokens_sent is None:
            return request
        return request._replace(body=_encode(call.payload), max_tokens_sent=call.max_tokens_sent)

    def credits_request(self) -> Request:
        """The request for the account's balance."""
        return Request("", None, None, self.timeout, stream=False, handover=Handover(), free=True)

    def _headers(self, request: Request) -> dict[str, str]:
        """Everything but what httpx adds; the later ones win, and nobody can replace the key."""
        accept = "text/event-stream" if request.stream else "application/json"
        return {
            "user-agent": f"aivideoapi-adapters/{__version__}",
            **({} if request.body is None else {"content-type": "application/json"}),
            "accept": accept,
            "accept-encoding": ACCEPTED,
            **self._default_headers,
            **(request.headers or {}),
            "authorization": f"Bearer {self.api_key.get_secret_value()}",
        }

    def _target(self, request: Request) -> tuple[str, httpx.URL]:
        return ("GET", self._credits_url) if request.body is None else ("POST", self._messages_url)

    def build(self, request: Request, client: httpx.Client | httpx.AsyncClient | None) -> httpx.Request:
        """The request for ``client``, which has headers, parameters and cookies of its own, or for our pool."""
        request.handover.began = False
        if client is not None:
            method, url = self._target(request)
            built = client.build_request(
                method, url, content=request.body, headers=self._headers(request), timeout=request.timeout
            )
            if request.body is not None:
                built.stream = Body(request.body, request.handover)
            return built
        if request.headers is not None:
            template = RequestTemplate(*self._target(request), self._headers(request))
        else:
            kind = request.stream, request.body is None
            known = self._templates.get(kind)
            template = known or RequestTemplate(*self._target(request), self._headers(request))
            self._templates[kind] = template
        # Nearly every call has the client's own timeout.
        timeout = self._timeout_s if request.timeout is self.timeout else timeout_parts_s(request.timeout)
        return template.request(request.body, timeout, request.handover)

    def status_error(
        self, response: httpx.Response, body: bytes, *, model: str | None = None
    ) -> APIStatusError:
        """The typed error of a reply whose status is none of success; ``model`` is the id that was asked for."""
        if response.is_redirect:
            place = redact(response.headers.get("location", ""), self.api_key)
            payload: Any = {"error": {"message": f"the server redirects to {place!r}; check base_url"}}
        else:
            payload = error_in(body, cut=len(body) > MAX_ERROR_BODY_BYTES)
        return self.head_of(response, model=model).error_of(payload, body)

    def head_of(self, response: httpx.Response, *, model: str | None = None) -> ReplyHead:
        """What the head of a reply says."""
        # httpx's own look-ups decode and compare every header each time.
        headers = {
            known.decode(): value.decode("latin-1")
            for name, value in response.headers.raw
            if (known := name.lower()) in _READ
        }
        request_id = headers.pop("request-id", "") or headers.pop("x-request-id", "")
        return ReplyHead(
            status_code=response.status_code,
            request_id=redact(request_id, self.api_key)[:LABEL_CHARS] if request_id else None,
            retry_after_s=parse_retry_after(headers, now=datetime.now(UTC)) if headers else None,
            should_retry=parse_should_retry(headers) if headers else None,
            secret=self.api_key,
            model=model,
        )

    def error_of(
        self,
        error: httpx.HTTPError | httpx.StreamError,
        request: Request,
        *,
        reader: StreamReader | None = None,
    ) -> AIVideoAPIError:
        """The typed error for what httpx raised; ``reader`` if a streamed reply had begun to arrive."""
        return error_of(error, request, where=self._where, reader=reader)

    def error_before(self, error: Exception, request: Request) -> AIVideoAPIError | None:
        """The error to raise for what came while ``request`` was made and sent; ``None``: what came itself.

        That is an error of ours, or, once the request was out, one of code that the caller put into the client.
        """
        if isinstance(error, httpx.HTTPError):
            return self.error_of(error, request)
        if isinstance(error, AIVideoAPIError) or (request.is_out and not request.free):
            return None
        return not_made(error, where=self._where)

    def parse_reply(
        self, request: Request, response: httpx.Response, body: bytes, attempts: Attempts
    ) -> Reply:
        head = self.head_of(response, model=request.model)
        if len(body) > MAX_BODY_BYTES:
            raise ResponseFormatError(
                f"the server sent a body of more than {MAX_BODY_BYTES} bytes", request_id=head.request_id
            )
        message = parse_body(body, head)
        return self.reply(message, request, head.request_id, attempts.succeeded(head.request_id))

    def reply(self, message: Message, request: Request, request_id: str | None, attempts: int) -> Reply:
        prices = self._metering.prices
        return Reply(
            message,
            request.model,
            request_id,
            attempts,
            prices.get(request.model),
            prices or None,
            max_tokens_sent=request.max_tokens_sent,
        )

    def parse_balance(self, response: httpx.Response, body: bytes) -> Balance:
        payload = parse_json(body)
        balance = parse_balance(payload)
        if balance is not None:
            return balance
        if isinstance(payload, dict) and payload.get("code") not in (None, 0, 200):
            raise self.status_error(response, body)
        raise ResponseFormatError(
            "the server's answer is not a balance",
            status_code=response.status_code,
            request_id=self.head_of(response).request_id,
            body=excerpt_of(body, self.api_key),
        )


def _encode(payload: Mapping[str, Any]) -> bytes:
    try:
        body = sendable_json(payload)
        if b"NaN" in body or b"Infinity" in body:
            json.dumps(payload, allow_nan=False, default=str)
    except (PydanticSerializationError, ValueError, TypeError) as error:
        raise InvalidInputError(f"the request cannot be written as JSON: {error}") from error
    return body


def body_limit(response: httpx.Response) -> int:
    return MAX_BODY_BYTES if response.is_success else MAX_ERROR_BODY_BYTES


def _default_budget() -> Budget | None:
    if not os.environ.get("AIVIDEOAPI_BUDGET"):
        return None
    from aivideoapi_core._stores.from_environment import default_budget

    return default_budget()


def _default_ledger() -> Ledger | None:
    if not os.environ.get("AIVIDEOAPI_LEDGER"):
        return None
    from aivideoapi_core._stores.from_environment import default_ledger

    return default_ledger()
