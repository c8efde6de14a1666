"""Connections, loops, threads and processes: nothing is left behind, whoever leaves and however."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from core_kit import payload

from aivideoapi_core import (
    APIConnectionError,
    AsyncMessagesClient,
    InvalidInputError,
    MessagesClient,
    RetryPolicy,
    StreamTimeoutError,
)
from aivideoapi_core._http import loop_pools
from aivideoapi_core._http.engines import ENGINE_ENV
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

LONG = Reply("word " * 200, pieces=5)
IDLE = {"httpx": 0, "aiohttp": 2 * 4 * 16}
"""Ends of connections whose reply had come in whole: aiohttp keeps those of its four warm pools for the next call."""


def open_sockets() -> int:
    """Sockets of this process, the sandbox's ends included."""
    count = 0
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")
    return count


def settles(condition: Callable[[], bool]) -> bool:
    """Whether ``condition`` comes true: the other end of a closed connection needs a moment to see it."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


async def settles_async(condition: Callable[[], bool]) -> bool:
    for _ in range(500):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.fixture(params=IDLE)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What carries the asynchronous calls of this test."""
    monkeypatch.setenv(ENGINE_ENV, request.param)
    return str(request.param)


on_each_engine = pytest.mark.usefixtures("engine")


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[MessagesClient]:
    with MessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, retry=RetryPolicy(max_retries=0)
    ) as client:
        yield client


def async_client(sandbox: Sandbox, **settings: Any) -> AsyncMessagesClient:
    options = {"api_key": sandbox.api_key, "base_url": sandbox.url, "retry": RetryPolicy(max_retries=0)}
    return AsyncMessagesClient(**{**options, **settings})


def drain(client: MessagesClient) -> Any:
    with client.stream(payload(stream=True)) as stream:
        for _ in stream:
            pass
    return stream.reply.message


async def drain_async(client: AsyncMessagesClient) -> Any:
    async with client.stream(payload(stream=True)) as stream:
        async for _ in stream:
            pass
    return stream.reply.message


# --- keep-alive and leaving early


def test_one_connection_serves_calls_one_after_another(sandbox: Sandbox, client: MessagesClient) -> None:
    for _ in range(3):
        client.create(payload())
        drain(client)
    assert {request.connection_id for request in sandbox.requests} == {1}


@on_each_engine
async def test_one_connection_serves_async_calls_one_after_another(sandbox: Sandbox) -> None:
    async with async_client(sandbox) as client:
        for _ in range(3):
            await client.create(payload())
            await drain_async(client)
    assert {request.connection_id for request in sandbox.requests} == {1}


def leave_by_break(client: MessagesClient) -> None:
    with client.stream(payload(stream=True)) as stream:
        for _ in stream:
            break


def leave_without_a_look(client: MessagesClient) -> None:
    with client.stream(payload(stream=True)):
        pass


def leave_by_exception(client: MessagesClient) -> None:
    def fall() -> None:
        with client.stream(payload(stream=True)) as stream:
            for _ in stream:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fall()


def leave_a_generator(client: MessagesClient) -> None:
    def events() -> Iterator[Any]:
        with client.stream(payload(stream=True)) as stream:
            yield from stream

    generator = events()
    next(generator)
    generator.close()


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_without_a_look, leave_by_exception, leave_a_generator]
)
def test_leaving_releases_the_connection(sandbox: Sandbox, leave: Callable[[MessagesClient], None]) -> None:
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        before = open_sockets()
        for _ in range(5):
            # It stalls: only leaving can end it.
            sandbox.enqueue(Fault.stall(4, reply=LONG))
            leave(client)
            assert settles(lambda: open_sockets() == before)


@on_each_engine
async def test_cancelling_releases_the_connection(sandbox: Sandbox) -> None:
    async with async_client(sandbox) as client:
        before = open_sockets()
        for after in (-1, 0, 1, 4):
            sandbox.enqueue(Fault.stall(after, reply=LONG))
            arrived = len(sandbox.requests) + 1
            task = asyncio.create_task(drain_async(client))
            assert await settles_async(lambda arrived=arrived: len(sandbox.requests) == arrived)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await settles_async(lambda: open_sockets() == before)


@on_each_engine
async def test_cancelling_a_whole_call_releases_the_connection(sandbox: Sandbox) -> None:
    async with async_client(sandbox) as client:
        before = open_sockets()
        sandbox.enqueue(Fault.stall(-1))
        task = asyncio.create_task(client.create(payload()))
        assert await settles_async(lambda: len(sandbox.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await settles_async(lambda: open_sockets() == before)


@on_each_engine
async def test_aclose_from_another_task_ends_a_stream(sandbox: Sandbox) -> None:
    async with async_client(sandbox) as client:
        before = open_sockets()
        sandbox.enqueue(Fault.stall(4, reply=LONG))
        stream = await client.stream(payload(stream=True)).__aenter__()
        waiting = asyncio.create_task(drain_events(stream))
        await asyncio.sleep(0)
        await stream.aclose()
        await asyncio.wait([waiting], timeout=0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):  # however it ends, it must end
            await waiting
        assert await settles_async(lambda: open_sockets() == before)


async def drain_events(stream: Any) -> None:
    async for _ in stream:
        pass


def test_hundreds_of_abandoned_streams(sandbox: Sandbox, client: MessagesClient) -> None:
    before = open_sockets()
    for _ in range(250):
        sandbox.enqueue(LONG)
        with client.stream(payload(stream=True)) as stream:
            next(iter(stream))
    assert settles(lambda: open_sockets() <= before + 2)


async def test_hundreds_of_abandoned_async_streams(sandbox: Sandbox, engine: str) -> None:
    async with async_client(sandbox) as client:
        before, tasks = open_sockets() + IDLE[engine], len(asyncio.all_tasks())

        async def abandon() -> None:
            sandbox.enqueue(LONG)
            async with client.stream(payload(stream=True)) as stream:
                async for _ in stream:
                    break

        for _ in range(5):
            await asyncio.gather(*(abandon() for _ in range(50)))
        assert await settles_async(lambda: open_sockets() <= before and len(asyncio.all_tasks()) == tasks)


async def test_streams_that_nobody_closes(sandbox: Sandbox, engine: str) -> None:
    """A generator that is dropped, not closed: the garbage collector ends it."""
    async with async_client(sandbox) as client:
        before, tasks = open_sockets() + IDLE[engine], len(asyncio.all_tasks())

        async def events() -> Any:
            async with client.stream(payload(stream=True)) as stream:
                async for event in stream:
                    yield event

        for _ in range(50):
            sandbox.enqueue(LONG)
            generator = events()
            await anext(generator)
            del generator
        gc.collect()
        assert await settles_async(lambda: open_sockets() <= before and len(asyncio.all_tasks()) == tasks)


# --- loops


@on_each_engine
def test_one_client_in_many_loops(sandbox: Sandbox) -> None:
    client = async_client(sandbox)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def call() -> str:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await drain_async(client)
        return (await client.create(payload())).message["type"]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = open_sockets()
        assert {asyncio.run(call()) for _ in range(20)} == {"message"}
        gc.collect()
        assert settles(lambda: open_sockets() == before)
    assert [loop() for loop in loops] == [None] * 20, "a closed loop is kept alive"
    assert len(client._pools) == 0


def test_a_client_that_is_dropped_as_its_loop_ends(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    """``asyncio.run`` of a function that makes a model and closes nothing: the usual script."""
    pytest.importorskip("aiohttp")

    async def main() -> None:
        client = AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, http_engine="aiohttp")
        await client.create(payload(stream=False))

    for _ in range(3):
        asyncio.run(main())
        gc.collect()
    assert "nclosed" not in (said := capfd.readouterr().err)
    assert "destroyed" not in said
    assert not loop_pools._KEPT


@on_each_engine
def test_loops_in_many_threads(sandbox: Sandbox) -> None:
    client = async_client(sandbox)
    with ThreadPoolExecutor(16) as pool:
        messages = list(pool.map(lambda _: asyncio.run(drain_async(client)), range(32)))
    assert len({message["id"] for message in messages}) == 32
    assert len(client._pools) == 0


@on_each_engine
def test_a_loop_that_ends_without_closing_its_generators(sandbox: Sandbox) -> None:
    client = async_client(sandbox)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(drain_async(client))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the caller's, for not closing it properly
        loop.close()
        assert asyncio.run(drain_async(client))["type"] == "message"
        gc.collect()
    assert len(client._pools) == 0


@on_each_engine
async def test_after_aclose_it_opens_again(sandbox: Sandbox) -> None:
    client = async_client(sandbox)
    before = open_sockets()
    for _ in range(2):
        await drain_async(client)
        await client.aclose()
        assert await settles_async(lambda: open_sockets() == before)


# --- threads, processes, the end of an owner


def test_sixty_four_threads(sandbox: Sandbox, client: MessagesClient) -> None:
    start = threading.Barrier(64)

    def call(number: int) -> str:
        start.wait(30)
        text = f"answer {number}"
        reply = client.create(payload(system=text)) if number % 2 else None
        return reply.message["id"] if reply else drain(client)["id"]

    with ThreadPoolExecutor(64) as pool:
        ids = list(pool.map(call, range(64)))
    assert len(set(ids)) == 64
    assert sorted(ids) == sorted(str(entry.message_id) for entry in sandbox.ledger)


def test_after_close_it_opens_again(sandbox: Sandbox, client: MessagesClient) -> None:
    before = open_sockets()
    for _ in range(2):
        drain(client)
        client.close()
        assert settles(lambda: open_sockets() == before)


def test_an_owner_that_is_gone_leaves_nothing(sandbox: Sandbox) -> None:
    before = open_sockets()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            drain(MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url))
        gc.collect()
    assert settles(lambda: open_sockets() == before)


def _call_in_child(client: MessagesClient, results: Any) -> None:
    results.put(drain(client)["id"])


def test_fork_after_use(sandbox: Sandbox) -> None:
    context = multiprocessing.get_context("fork")
    client = MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url)
    mine = drain(client)["id"]
    client._lock.acquire()  # as if another thread were at it while we fork
    results = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads and fork
        child = context.Process(target=_call_in_child, args=(client, results))
        child.start()
    client._lock.release()
    theirs = results.get(timeout=30)
    child.join(30)
    again = drain(client)["id"]
    client.close()
    assert child.exitcode == 0
    assert len({mine, theirs, again}) == 3
    connections = [request.connection_id for request in sandbox.requests]
    assert connections == [1, 2, 1]  # the child has its own, and has not broken ours


# --- the caller's own client


def test_a_client_of_the_callers(sandbox: Sandbox) -> None:
    with httpx.Client(
        headers={"x-proxy-team": "a", "authorization": "Basic x"}, params={"via": "me"}
    ) as http:
        client = MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, http_client=http)
        drain(client)
        client.close()
        assert not http.is_closed
    request = sandbox.requests[0]
    assert (request.headers["x-proxy-team"], request.path) == ("a", "/v1/messages")
    with pytest.raises(InvalidInputError, match="closed"):
        client.create(payload())


async def test_an_async_client_of_the_callers(sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(headers={"x-proxy-team": "a"}) as http:
        client = async_client(sandbox, http_client=http)
        await drain_async(client)
        await client.aclose()
        assert not http.is_closed
    assert sandbox.requests[0].headers["x-proxy-team"] == "a"
    with pytest.raises(InvalidInputError, match="closed"):
        await client.create(payload())


def test_a_client_of_the_other_colour() -> None:
    with pytest.raises(InvalidInputError, match=r"httpx\.Client"):
        MessagesClient(api_key="sk-test", http_client=httpx.AsyncClient())
    with httpx.Client() as http, pytest.raises(InvalidInputError, match=r"httpx\.AsyncClient"):
        AsyncMessagesClient(api_key="sk-test", http_client=http)


def test_a_proxy_of_the_callers(sandbox: Sandbox) -> None:
    """The sandbox plays the proxy: a plain-http request names its target in the first line."""
    with httpx.Client(proxy=sandbox.url) as http:
        client = MessagesClient(
            api_key=sandbox.api_key, base_url="http://elsewhere.invalid", allow_http=True, http_client=http
        )
        with contextlib.suppress(Exception):  # what it answers to such a request is its own affair
            client.create(payload())
    assert sandbox.requests
    assert sandbox.requests[0].headers["host"] == "elsewhere.invalid"


def test_a_proxy_of_the_environment_never_sees_a_loopback_call(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
            drain(client)
        assert proxy.requests == []
    assert len(sandbox.requests) == 1


# --- timeouts


@pytest.mark.parametrize("timeout", [1.0, httpx.Timeout(5.0, read=1.0)], ids=["seconds", "httpx.Timeout"])
@pytest.mark.parametrize("per_call", [False, True])
def test_timeouts(sandbox: Sandbox, timeout: Any, per_call: bool) -> None:
    own = {} if per_call else {"timeout": timeout}
    client = MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, **own)
    sandbox.enqueue(Fault.stall(4, reply=LONG))
    with (
        client,
        client.stream(payload(stream=True), timeout=timeout if per_call else None) as stream,
        pytest.raises(StreamTimeoutError),
    ):
        list(stream)


def test_a_slow_stream_is_not_a_stalled_one(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("a b c d e f g h", pieces=2, pause_s=0.08))
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, timeout=0.7) as client:
        assert drain(client)["content"][0]["text"] == "a b c d e f g h"


def test_bad_timeouts_of_a_call(sandbox: Sandbox, client: MessagesClient) -> None:
    with pytest.raises(InvalidInputError, match="timeout"):
        client.create(payload(), timeout=-1)
    assert sandbox.requests == []


def test_a_name_that_does_not_resolve() -> None:
    client = MessagesClient(
        api_key="sk-test",
        base_url="https://nowhere.invalid",
        retry=RetryPolicy(max_retries=0),
        http_client=httpx.Client(transport=httpx.MockTransport(_no_such_name)),
    )
    with pytest.raises(APIConnectionError, match=r"nowhere\.invalid") as caught:
        client.create(payload())
    assert caught.value.retryable


def _no_such_name(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("[Errno -2] Name or service not known", request=request)
