"""A Redis client for a budget or a ledger: made when it is first needed, and anew in a forked child."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.forks import renew_in_child

_PATIENCE_S: Final = 5.0
"""How long a server that hangs is waited for, unless the URL says otherwise (``?socket_timeout=2``). redis-py before
version 8 waits for good."""


class RedisLink:
    """The synchronous client for a URL, or the one that the caller gave. Raises ``InvalidInputError``.

    ``argument`` names the caller's argument in errors.
    """

    def __init__(self, target: Any, *, argument: str) -> None:
        self.url = target if isinstance(target, str) else None
        self._given = None if self.url is not None else target
        self._client: Any = redis_client(target, argument=argument)
        self._argument = argument
        self._script: tuple[Any, Any] | None = None
        self._lock = threading.Lock()
        renew_in_child(self, RedisLink._begin_in_child)

    @property
    def client(self) -> Any:
        """The client."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = redis_client(self.url, argument=self._argument)
        return self._client

    def script(self, source: Callable[[], str]) -> Any:
        """The script that ``source`` gives the text of, registered once with each client."""
        client = self.client
        if self._script is None or self._script[0] is not client:
            self._script = client, client.register_script(source())
        return self._script[1]

    def close(self) -> None:
        """Close the connections that are our own; a later call opens others."""
        if self.url is not None and self._client is not None:
            self._client.close()

    def _begin_in_child(self) -> None:
        self._lock = threading.Lock()
        if self.url is not None:
            # Its pool holds locks and sockets of the parent's. A client of the caller's is the caller's to renew.
            self._client = self._script = None


def redis_client(target: Any, *, argument: str) -> Any:
    """A synchronous client for a URL, or the client that was given. Raises ``InvalidInputError``."""
    try:
        import redis
        import redis.asyncio
    except ImportError as error:
        raise InvalidInputError(
            f"{argument}={str(target)[:9]!r}... needs redis-py: pip install 'aivideoapi-adapters[redis]'"
        ) from error
    if isinstance(target, str):
        return redis.Redis.from_url(target, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
    if isinstance(target, redis.asyncio.Redis):
        raise InvalidInputError(
            f"{argument} must be a URL or a synchronous redis.Redis, also for asynchronous calls"
        )
    return target
