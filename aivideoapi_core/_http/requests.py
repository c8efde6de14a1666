"""Requests as httpx sends them, made once per kind, with bodies that know when they were handed over."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._http.decoding import ACCEPTED
from aivideoapi_core._http.pools import Timeout
from aivideoapi_core._metering.metering import Handover


class Body(httpx.ByteStream):
    """The bytes of a request. Asked for them, it notes that they are handed to a socket.

    httpx asks once the connection stands, through any proxy, and the head of the request is out. Before
    that no server can have worked on the request, whatever happens; so this says what may be billed.
    """

    def __init__(self, content: bytes, handover: Handover) -> None:
        super().__init__(content)
        self._content = content
        self._handover = handover

    def __iter__(self) -> Iterator[bytes]:
        self._handover.began = True  # no interruption comes between this and the bytes
        yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._handover.began = True
        yield self._content


class Request(NamedTuple):
    """One call, ready to be sent as often as needed. ``headers``: of this call alone, checked."""

    model: str
    body: bytes | None
    headers: Mapping[str, str] | None
    timeout: Timeout
    stream: bool
    handover: Handover
    """Of the request that is being made."""
    free: bool = False
    """Costs nothing, so that any failure may be followed by another try."""
    max_tokens_sent: int | None = None
    """Less than what was asked for, because the budget had no room for more."""

    @property
    def is_out(self) -> bool:
        """Whether a socket has got any of the request's body."""
        return self.body is None or self.handover.began


class RequestTemplate:
    """What all requests of one kind share, worked out once: method, URL and headers.

    ``httpx.Client.build_request`` merges all that anew each time, at twice the cost of the rest of
    making a request.
    """

    def __init__(self, method: str, url: httpx.URL, headers: Mapping[str, str]) -> None:
        bare = httpx.Request(method, url)  # for the host, in httpx's own spelling
        self._method = method
        self._url = url
        self._headers = httpx.Headers(
            {
                "host": bare.headers["host"],
                "accept-encoding": ACCEPTED,
                "connection": "keep-alive",
                **headers,
            }
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._method!r}, {str(self._url)!r})"

    def request(
        self, body: bytes | None, timeout: Mapping[str, float | None], handover: Handover
    ) -> httpx.Request:
        """One request; ``timeout`` is ``httpx.Timeout.as_dict()``'s form, seconds."""
        request = httpx.Request(
            self._method,
            self._url,
            headers=self._headers,
            stream=Body(body or b"", handover),
            extensions={"timeout": timeout},
        )
        if body is not None:
            request.headers["content-length"] = str(len(body))
        return request


@functools.lru_cache(maxsize=16)
def endpoints(base_url: str) -> tuple[httpx.URL, httpx.URL]:
    """Where messages and credits are, if httpx reads the same host from ``base_url`` as the checks of its origin did.

    Kept, for httpx takes longer to read the three URLs than everything else that makes a client.
    """
    try:
        host = httpx.URL(base_url).host
    except httpx.InvalidURL:
        host = ""
    if host.lower() != urlsplit(base_url).hostname:
        raise InvalidInputError("base_url is not a URL that can be reached; check its host")
    return httpx.URL(f"{base_url}/v1/messages"), httpx.URL(f"{base_url}/v1/credits")
