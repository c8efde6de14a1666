"""Programs that end without a word, on every engine: nothing on standard error, nothing broken in a fork."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from engine_kit import ENGINES
from forked_programs import ForkedPrograms

from aivideoapi_core import AsyncMessagesClient, build_payload
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

_PROGRAM = """
import asyncio, gc, sys
from aivideoapi_core import AsyncMessagesClient, build_payload
client = AsyncMessagesClient(api_key={key!r}, base_url={url!r}, http_engine={engine!r})
PAYLOAD = build_payload("claude-sonnet-4-6", [{{"role": "user", "content": "hi"}}], stream=False)
STREAMED = {{**PAYLOAD, "stream": True}}

async def call():
    await client.create(PAYLOAD)

async def begin():
    stream = await client.stream(STREAMED).__aenter__()
    await anext(aiter(stream))
    return stream

async def leave():
    await begin()

{ending}
"""
_ENDINGS = {
    "one loop after the other": "for _ in range(3): asyncio.run(call())",
    "a loop nobody closes": "loop = asyncio.new_event_loop()\nloop.run_until_complete(call())",
    "a loop closed without its generators": (
        "for _ in range(2):\n    loop = asyncio.new_event_loop()\n    loop.run_until_complete(call())\n    loop.close()\n"
        "    del loop\n    gc.collect()"
    ),
    "a client dropped before its loop": (
        "async def main():\n    global client\n    await call()\n    del client\n    gc.collect()\n"
        "asyncio.run(main())"
    ),
    "a client dropped after its loop": (
        "loop = asyncio.new_event_loop()\nloop.run_until_complete(call())\nloop.close()\ndel client, loop\ngc.collect()"
    ),
    "in the middle of a stream": "asyncio.run(leave())",
    "a client closed before a dropped stream is collected": (
        "async def main():\n    gc.disable()\n    cycle = [await begin()]\n    cycle.append(cycle)\n    del cycle\n"
        "    await client.aclose()\n    gc.collect()\n    await asyncio.sleep(0)\nasyncio.run(main())"
    ),
    "with a stream still open": "loop = asyncio.new_event_loop()\nkept = loop.run_until_complete(begin())",
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedPrograms]:
    with contextlib.closing(ForkedPrograms(tmp_path_factory.mktemp("programs"))) as made:
        yield made


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("ending", _ENDINGS)
def test_a_program_that_leaves_things_open_says_nothing(
    sandbox: Sandbox, programs: ForkedPrograms, engine: str, ending: str
) -> None:
    if "stream" in ending:
        sandbox.enqueue(Fault.stall(4, reply=Reply("word " * 200, pieces=5)))
    program = _PROGRAM.format(key=sandbox.api_key, url=sandbox.url, engine=engine, ending=_ENDINGS[ending])
    done = programs.run(program)
    assert (done.returncode, done.stderr) == (0, "")


def _call_in_child(client: AsyncMessagesClient, payload: Any, results: Any) -> None:
    results.put(asyncio.run(client.create(payload)).message["id"])


@pytest.mark.parametrize("engine", ENGINES)
def test_fork_with_connections_open(sandbox: Sandbox, engine: str) -> None:
    """The child opens its own and takes nothing from the parent's, whose loop it has inherited."""
    context = multiprocessing.get_context("fork")
    payload = build_payload("claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=False)
    client = AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, http_engine=engine)
    results = context.Queue()
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        mine = loop.run_until_complete(client.create(payload)).message["id"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads and fork
            child = context.Process(target=_call_in_child, args=(client, payload, results))
            child.start()
        theirs = results.get(timeout=30)
        child.join(30)
        again = loop.run_until_complete(client.create(payload)).message["id"]
        loop.run_until_complete(client.aclose())
    assert child.exitcode == 0
    assert len({mine, theirs, again}) == 3
    assert [request.connection_id for request in sandbox.requests] == [1, 2, 1]
