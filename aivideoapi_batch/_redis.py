"""Commands to a Redis from one event loop: what is asked at the same moment travels together, over one connection."""

from __future__ import annotations

import asyncio
import functools
from importlib.resources import files
from typing import Any, Final
from weakref import WeakKeyDictionary

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import pip_install

SCHEMES: Final = ("redis://", "rediss://", "unix://")
_TOGETHER: Final = 512
"""At most so many commands in one round trip."""


def checked_url(url: Any, *, argument: str) -> str:
    """``url``, if it is one of a Redis, and redis-py is there. Raises ``InvalidInputError``."""
    if not isinstance(url, str) or not url.startswith(SCHEMES):
        # Never the value: a URL that is almost right may have a password in it.
        why = (
            f"which begins with {', '.join(SCHEMES)}"
            if isinstance(url, str)
            else "not a client: every worker makes a client of its own"
        )
        raise InvalidInputError(
            f"{argument} must be the URL of a Redis, such as 'redis://localhost:6379/0', {why}"
        )
    try:
        import redis.asyncio  # noqa: F401 - whether it is there
    except ImportError as error:
        raise InvalidInputError(f"{argument}='redis...' needs redis-py: {pip_install('redis')}") from error
    return url


def checked_name(name: Any, *, argument: str) -> str:
    """``name``, if keys can be made of it. Raises ``InvalidInputError``."""
    if not isinstance(name, str) or not name.strip() or not {"{", "}"}.isdisjoint(name):
        raise InvalidInputError(f"{argument} must be a text without {{ and }}, not {name!r}")
    return name


class RedisLink:
    """One connection of one event loop. Raises what redis-py raises, ``redis.RedisError``.

    The client's own pipelines cost several times as much: connections are taken from a pool and given back, and a
    pipeline is made, for what mostly is one command.
    """

    def __init__(self, url: str) -> None:
        import redis.asyncio

        pool: Any = redis.asyncio.Redis.from_url(url).connection_pool
        self._connection = pool.make_connection()
        self._shas: dict[str, str] = {}
        self._asked: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None
        self.users = 0

    async def run(self, script: str, key: str, *arguments: Any) -> Any:
        """What ``script``, a file of this package, answers."""
        from redis.exceptions import NoScriptError

        while True:
            if script not in self._shas:
                self._shas[script] = (await self.ask("SCRIPT", "LOAD", source_of(script))).decode()
            try:
                return await self.ask("EVALSHA", self._shas[script], 1, key, *arguments)
            except NoScriptError:  # it was started again
                self._shas.pop(script, None)

    def known(self, script: str) -> str | None:
        """By what Redis knows ``script``, once it was run."""
        return self._shas.get(script)

    def ask(self, *command: Any) -> asyncio.Future[Any]:
        """What Redis answers to ``command``, undecoded."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append((command, answer))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        return answer

    async def close(self) -> None:
        """Close the connection, once what was asked is answered; its last user does."""
        self.users -= 1
        if self.users > 0:
            return
        links = _links.get(asyncio.get_running_loop(), {})
        for url in [url for url, link in links.items() if link is self]:
            del links[url]
        if self._sender is not None:
            await self._sender
        await self._connection.disconnect()

    async def _send(self) -> None:
        while self._asked:
            asked, self._asked = self._asked[:_TOGETHER], self._asked[_TOGETHER:]
            try:
                answers = await self._exchanged([command for command, _ in asked])
            except BaseException as error:
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
                        answer.exception()  # whoever does not wait any more is not told
                if not isinstance(error, Exception):
                    raise
                continue
            for (_, answer), said in zip(asked, answers, strict=True):
                if answer.done():
                    continue
                if isinstance(said, Exception):
                    answer.set_exception(said)
                else:
                    answer.set_result(said)

    async def _exchanged(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """The answers, errors among them. Tried again as often as redis-py does: every script may be run twice."""
        connection = self._connection
        packed = connection.pack_commands(commands)

        async def there_and_back() -> list[Any]:
            await connection.connect()
            await connection.send_packed_command(packed, check_health=False)
            return [await self._one_answer() for _ in commands]

        try:
            return await connection.retry.call_with_retry(there_and_back, lambda _: connection.disconnect())  # type: ignore[no-any-return]  # redis-py's retry is untyped
        except BaseException:
            # Answers that nobody has read would be taken for those of the next commands.
            await connection.disconnect(nowait=True)
            raise

    async def _one_answer(self) -> Any:
        from redis.exceptions import ResponseError

        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error


_links: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, RedisLink]]] = WeakKeyDictionary()


def link_to(url: str) -> RedisLink:
    """The link of the running event loop to ``url``, one for all who use it; each of them closes it."""
    links = _links.setdefault(asyncio.get_running_loop(), {})
    link = links.get(url)
    if link is None:
        link = links[url] = RedisLink(url)
    link.users += 1
    return link


@functools.cache
def source_of(script: str) -> str:
    """The text of a script of this package."""
    return files("aivideoapi_batch").joinpath(script).read_text(encoding="utf-8")
