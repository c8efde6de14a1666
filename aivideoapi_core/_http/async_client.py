"""``AsyncMessagesClient``: the asynchronous shell, the twin of ``client``."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, Final, Self, Unpack

import httpx
from pydantic import SecretStr

from aivideoapi_core._errors import AIVideoAPIError
from aivideoapi_core._http.async_stream import AsyncMessageStream
from aivideoapi_core._http.attempts import Attempts
from aivideoapi_core._http.client_settings import ClientSettings
from aivideoapi_core._http.decoding import apieces_of
from aivideoapi_core._http.engines import resolve_engine
from aivideoapi_core._http.exchange import body_limit
from aivideoapi_core._http.leftovers import end, sweep
from aivideoapi_core._http.loop_pools import LoopPools, check_loop
from aivideoapi_core._http.pools import (
    KEEPALIVE_S,
    AsyncPool,
    Timeout,
    check_open,
    checked_client,
    given_async_pool,
    own_async_pool,
)
from aivideoapi_core._http.requests import Request
from aivideoapi_core._http.target import as_secret
from aivideoapi_core._inbound.balance import Balance
from aivideoapi_core._inbound.reader import is_whole
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.call_facts import CallFacts
from aivideoapi_core._metering.undisturbed import in_own_task
from aivideoapi_core._secrets import hidden_arguments

_WARM_LANES: Final = 4
_WARM_LANE_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=8, keepalive_expiry=KEEPALIVE_S
)
_COLD_LANE_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""Only a burst comes this far, and nobody would look after what it leaves behind."""


def _new_pool(base_url: str, engine: str, number: int) -> AsyncPool:
    limits = _WARM_LANE_LIMITS if number < _WARM_LANES else _COLD_LANE_LIMITS
    return own_async_pool(base_url, limits, engine=engine)


class AsyncMessagesClient(ClientSettings):
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
            self._exchange = self._made_with(api_key, settings)
            self._given = checked_client(http_client, httpx.AsyncClient)
            self._given_pool = None if self._given is None else given_async_pool(self._given)
            engine = resolve_engine(http_engine)
            self._pools = LoopPools(functools.partial(_new_pool, self.base_url, engine))

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
        check_loop()
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
        call = self._exchange.meter(payload, request, facts)
        return AsyncMessageStream(self._exchange, request, call, send=self._send)

    async def credits(self) -> Balance:
        """The account's balance."""
        check_loop()
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
            async for chunk in apieces_of(response):
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
