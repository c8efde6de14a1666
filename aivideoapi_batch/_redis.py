"""Scripts in Redis from one event loop: what is asked at the same moment travels together."""

from __future__ import annotations

import asyncio
import functools
from importlib.resources import files
from typing import Any, Final

from aivideoapi_core import InvalidInputError

SCHEMES: Final = ("redis://", "rediss://", "unix://")
_TOGETHER: Final = 512
"""At most so many commands in one round trip."""


def checked_url(url: Any, *, argument: str) -> str:
    """``url``, if it is one of a Redis, and redis-py is there. Raises ``InvalidInputError``."""
    if not isinstance(url, str) or not url.startswith(SCHEMES):
        # Never the value: a URL that is almost right may have a password in it.
        raise InvalidInputError(
            f"{argument} must be the URL of a Redis, such as 'redis://localhost:6379/0', not a client: "
            "every worker makes a client of its own"
        )
    try:
        import redis.asyncio  # noqa: F401 - whether it is there
    except ImportError as error:
        raise InvalidInputError(
            f"{argument}='redis...' needs redis-py: pip install 'aivideoapi-adapters[redis]'"
        ) from error
    return url


def checked_name(name: Any, *, argument: str) -> str:
    """``name``, if keys can be made of it. Raises ``InvalidInputError``."""
    if not isinstance(name, str) or not name.strip() or not {"{", "}"}.isdisjoint(name):
        raise InvalidInputError(f"{argument} must be a text without {{ and }}, not {name!r}")
    return name


class RedisLink:
    """A client of one event loop. Raises what redis-py raises, ``redis.RedisError``."""

    def __init__(self, url: str, script: str) -> None:
        """``script``: the file of this package with the script that ``run`` runs."""
        import redis.asyncio

        self._client = redis.asyncio.Redis.from_url(url)
        self._source = source_of(script)
        self._sha = ""
        self._asked: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def run(self, key: str, *arguments: Any) -> Any:
        """What the script answers."""
        from redis.exceptions import NoScriptError

        while True:
            if not self._sha:
                self._sha = (await self.ask("SCRIPT", "LOAD", self._source)).decode()
            try:
                return await self.ask("EVALSHA", self._sha, 1, key, *arguments)
            except NoScriptError:  # it was started again
                self._sha = ""

    async def ask(self, *command: Any) -> Any:
        """What Redis answers to ``command``, undecoded."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append((command, answer))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        return await answer

    async def close(self) -> None:
        """Close the connections, once what was asked is answered."""
        if self._sender is not None:
            await self._sender
        await self._client.aclose()

    async def _send(self) -> None:
        while self._asked:
            asked, self._asked = self._asked[:_TOGETHER], self._asked[_TOGETHER:]
            try:
                answers = await self._together([command for command, _ in asked])
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

    async def _together(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return await pipe.execute(raise_on_error=False)


@functools.cache
def source_of(script: str) -> str:
    """The text of a script of this package."""
    return files("aivideoapi_batch").joinpath(script).read_text(encoding="utf-8")
