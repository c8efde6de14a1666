"""``MessagesClient``: the synchronous shell, sockets and sleeping around the pure core."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Self, Unpack
from weakref import finalize

import httpx
from pydantic import SecretStr

from aivideoapi_core._errors import AIVideoAPIError
from aivideoapi_core._http.attempts import Attempts
from aivideoapi_core._http.client_settings import ClientSettings
from aivideoapi_core._http.decoding import pieces_of
from aivideoapi_core._http.exchange import body_limit
from aivideoapi_core._http.pools import (
    KEEPALIVE_S,
    Pool,
    Timeout,
    check_open,
    checked_client,
    given_pool,
    own_pool,
)
from aivideoapi_core._http.requests import Request
from aivideoapi_core._http.stream import MessageStream
from aivideoapi_core._http.target import as_secret
from aivideoapi_core._inbound.balance import Balance
from aivideoapi_core._inbound.reader import is_whole
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.budgets import Budgets
from aivideoapi_core._metering.call_facts import CallFacts
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.landing import Runway
from aivideoapi_core._secrets import hidden_arguments

_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_S
)
_INHERITED: Final[list[Callable[[], object]]] = []
"""What would close connections of a parent process. Their locks may be held by threads that are not here, so they
are left as they are."""


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


class MessagesClient(ClientSettings):
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
            self._exchange = self._made_with(api_key, settings)
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
        call = self._exchange.meter(payload, request, facts)
        return MessageStream(self._exchange, request, call, send=self._send)

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
            for chunk in pieces_of(response):
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
