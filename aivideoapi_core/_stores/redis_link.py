"""A Redis client for a budget or a ledger: made when it is first needed, and anew in a forked child."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._version import pip_install

_PATIENCE_S: Final = 5.0
"""How long a server that hangs is waited for, unless the URL says otherwise (``?socket_timeout=2``). redis-py before
version 8 waits for good."""


class RedisLink:
    """The synchronous client for a URL, or the one that the caller gave. A ``Place`` for entries.

    ``argument`` names the caller's argument in errors. Raises ``InvalidInputError``.
    """

    def __init__(self, target: Any, *, argument: str) -> None:
        self.url = target if isinstance(target, str) else None
        self._given = None if self.url is not None else target
        self._client: Any = redis_client(target, argument=argument)
        self._argument = argument
        self._scripts: dict[Callable[[], str], Any] = {}
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
        script = self._scripts.get(source)
        if script is None or script.registered_client is not self.client:
            script = self._scripts[source] = self.client.register_script(source())
        return script

    def write(self, entries: Sequence[Entry]) -> None:
        """See ``Place``: one round trip, which Redis carries out alone (MULTI). A script that Redis does not know raises."""
        pipe = self.client.pipeline(transaction=True)
        for entry in entries:
            entry.put(pipe)
        answers = pipe.execute(raise_on_error=False)
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        for entry, answer in zip(entries, answers, strict=True):
            if not isinstance(answer, Exception):
                entry.done(answer)
        if errors:
            raise errors[0]

    def write_at_once(self, entries: Sequence[Entry]) -> None:
        """See ``Place``. A network is always waited for."""
        raise BlockingIOError

    def close(self) -> None:
        """Close the idle connections that are our own; a later call opens others. Others of this process share them:
        a connection at work is somebody's, and goes back to the pool.
        """
        if self.url is not None and self._client is not None:
            self._client.connection_pool.disconnect(inuse_connections=False)

    def _begin_in_child(self) -> None:
        self._lock = threading.Lock()
        if self.url is not None:
            # Its pool holds locks and sockets of the parent's. A client of the caller's is the caller's to renew.
            self._client, self._scripts = None, {}


_links: Final[WeakValueDictionary[Hashable, RedisLink]] = WeakValueDictionary()


def link_to(target: Any, *, argument: str) -> RedisLink:
    """The link to a URL or a client, one for all budgets and ledgers of this process that are there.

    Raises ``InvalidInputError`` for what is neither.
    """
    if not isinstance(target, str) and not hasattr(target, "register_script"):
        raise InvalidInputError(f"{argument} must be a path, a Redis URL or a redis.Redis, not {target!r}")
    # A client's id is its own as long as its link lives, which holds it.
    key = target if isinstance(target, str) else id(target)
    return _links.get(key) or _links.setdefault(key, RedisLink(target, argument=argument))


def redis_client(target: Any, *, argument: str) -> Any:
    """A synchronous client for a URL, or the client that was given. Raises ``InvalidInputError``."""
    try:
        import redis
        import redis.asyncio
    except ImportError as error:
        raise InvalidInputError(
            f"{argument}={str(target)[:9]!r}... needs redis-py: {pip_install('redis')}"
        ) from error
    if isinstance(target, str):
        return redis.Redis.from_url(target, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
    if isinstance(target, redis.asyncio.Redis):
        raise InvalidInputError(
            f"{argument} must be a URL or a synchronous redis.Redis, also for asynchronous calls"
        )
    return target
