"""Failures of httpx as errors of ours, and whether anything was sent."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from typing import Final

import httpx
from pydantic import SecretStr

from aivideoapi_core._errors import (
    AIVideoAPIError,
    APIConnectionError,
    APITimeoutError,
    IncompleteStreamError,
    InvalidInputError,
    ResponseFormatError,
    StreamTimeoutError,
)
from aivideoapi_core._http.requests import Request
from aivideoapi_core._http.target import is_loopback_url
from aivideoapi_core._inbound.reader import StreamReader
from aivideoapi_core._secrets import redact

_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.WriteError,
    httpx.WriteTimeout,
)
"""The server has not got the whole request, so it cannot have worked on it."""
_FAREWELL: Final = re.compile(r"disconnect|closed|not completed", re.IGNORECASE)
"""What the engines say of a connection that ended; of bytes that are no HTTP they say which."""
_WHERE_TO_LOOK: Final = {
    True: "; is anything running there? 'aivideoapi sandbox' starts a server on this machine",
    False: "; check the network, the proxy and base_url: 'aivideoapi doctor' looks at them",
}
"""By whether the server is on this machine."""
_ENVIRONMENT: Final = (
    "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""What httpx reads of the environment when connections are made."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where requests go, as far as errors speak of it. ``secret``: the key, which no text may hold."""

    base_url: str
    secret: SecretStr
    retry_read_timeouts: bool


def error_of(
    error: httpx.HTTPError | httpx.StreamError,
    request: Request,
    *,
    where: Where,
    reader: StreamReader | None = None,
) -> AIVideoAPIError:
    """The typed error for what httpx raised; ``reader`` if a streamed reply had begun to arrive.

    The work is billed from the first byte of a stream on, and for a whole reply from the moment
    the request is out. Only before that is a failed call worth another try; and where we lost
    patience while the server may still have been at work, nobody knows, so there is none either.
    """
    text = redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, where.secret)
    timed_out = isinstance(error, httpx.TimeoutException)
    if isinstance(error, httpx.LocalProtocolError):
        return InvalidInputError(f"the request cannot be sent; check the headers ({text})")
    if reader is not None and reader.touched:
        return reader.described(_broken_stream(text, timed_out=timed_out))
    if isinstance(error, httpx.DecodingError):
        return ResponseFormatError(f"the server's compressed reply cannot be decoded ({text})")
    if _is_distrust(error):
        return APIConnectionError(
            f"the certificate of {where.base_url} is not trusted ({text}); for a private authority "
            "pass http_client= with its certificate",
            never_sent=True,
        )
    never_sent = isinstance(error, _NEVER_SENT) or not request.is_out
    if isinstance(error, httpx.RemoteProtocolError) and not never_sent and not _FAREWELL.search(text):
        # Some answer came: aiohttp drops a good head where the body that came with it is spoilt.
        return APIConnectionError(f"what {where.base_url} answers cannot be read as HTTP ({text})")
    if timed_out:
        return APITimeoutError(
            f"no answer from {where.base_url} in time ({text})",
            never_sent=never_sent,
            retryable=never_sent or request.free or where.retry_read_timeouts,
        )
    advice = _WHERE_TO_LOOK[is_loopback_url(where.base_url)] if never_sent else ""
    return APIConnectionError(
        f"no answer from {where.base_url} ({text}){advice}",
        never_sent=never_sent,
        retryable=never_sent or request.free or request.stream,
    )


def not_made(error: Exception, *, where: Where) -> APIConnectionError:
    """The typed error for whatever kept a request from being made: a file, a library, a proxy's address.

    Texts of others may hold a proxy's password, so only those of files and missing libraries are shown.
    """
    text = redact(f": {error}", where.secret) if isinstance(error, (OSError, ImportError)) else ""
    named = [name for name in _ENVIRONMENT if os.environ.get(name)]
    advice = f"; check {', '.join(named)} in the environment" if named else ""
    return APIConnectionError(
        f"no connection to {where.base_url} could be made ({type(error).__name__}{text}){advice}",
        never_sent=True,
        retryable=False,
    )


def _broken_stream(text: str, *, timed_out: bool) -> IncompleteStreamError:
    if timed_out:
        return StreamTimeoutError(f"the stream went silent before message_stop ({text})")
    return IncompleteStreamError(f"the stream broke off before message_stop ({text})")


def _is_distrust(error: BaseException | None) -> bool:
    """Whether a certificate was refused: that does not pass by waiting."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:  # libraries can make a ring of causes
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False
