"""Clients that go away in the middle: the upstream ends, the row is written, nothing stays reserved."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import anyio
import httpx
import pytest

from aivideoapi_core import (
    APIConnectionError,
    AsyncMessagesClient,
    CallRecord,
    CreditBudget,
    InvalidInputError,
    MessagesClient,
    Outcome,
    RetryPolicy,
    SpendLedger,
    build_payload,
)
from aivideoapi_core._stores.budget_memory import MemoryStore

START = (
    b'event: message_start\ndata: {"type": "message_start", "message": {"id": "msg_1", "type": "message", '
    b'"role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, '
    b'"usage": {"input_tokens": 5, "output_tokens": 1}}}\n\n'
    b'event: content_block_start\ndata: {"type": "content_block_start", "index": 0, '
    b'"content_block": {"type": "text", "text": ""}}\n\n'
)
DELTA = (
    b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, '
    b'"delta": {"type": "text_delta", "text": "word "}}\n\n'
)


class Upstream:
    """A server whose streams never end; ``open`` counts those that it is still writing."""

    def __init__(self, *, answers: bool = True) -> None:
        self.open = self.served = 0
        self._answers = answers
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()

        async def serve() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
            ready.set()

        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(serve(), self._loop)
        assert ready.wait(30)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            self.open += 1
            self.served += 1
            try:
                if not self._answers:
                    await reader.read()
                    return
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + START)
                while True:
                    writer.write(DELTA)
                    await writer.drain()
                    with contextlib.suppress(TimeoutError):
                        if not await asyncio.wait_for(reader.read(1), 0.005):
                            return
            finally:
                self.open -= 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


class SlowStore(MemoryStore):
    """Blocks, as Redis does."""

    blocking = True

    def settle(self, *args: Any, **kwargs: Any) -> Any:
        time.sleep(0.02)
        return super().settle(*args, **kwargs)


class SlowBook:
    """A ledger's store that blocks."""

    blocking = True

    def __init__(self) -> None:
        self.rows: list[CallRecord] = []

    def append(self, record: CallRecord) -> None:
        time.sleep(0.02)
        self.rows.append(record)

    def records(self) -> Iterator[CallRecord]:
        return iter(list(self.rows))

    def close(self) -> None:
        pass


def payload(*, stream: bool = True) -> dict[str, Any]:
    return build_payload(
        "claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=stream, max_tokens=100
    )


Work = Callable[[], Awaitable[Any]]
Ready = Callable[[], Awaitable[Any]]


async def cancelled_twice(work: Work, ready: Ready) -> None:
    """A task is cancelled, and again while it cleans up, at each of its next awaits."""
    task = asyncio.ensure_future(work())
    await ready()
    for _ in range(5):
        task.cancel()
        await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def cancelled_by_anyio(work: Work, ready: Ready) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await ready()
        group.cancel_scope.cancel()


async def cancelled_below_anyio(work: Work, ready: Ready) -> None:
    """An inner task, cancelled by one that anyio cancels again and again, as LangGraph's are."""

    async def outer() -> None:
        inner = asyncio.ensure_future(work())
        try:
            await asyncio.wait({inner})
        finally:
            for _ in range(5):
                inner.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)

    await cancelled_by_anyio(outer, ready)


async def until(condition: Callable[[], bool]) -> bool:
    for _ in range(500):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("how", [cancelled_twice, cancelled_by_anyio, cancelled_below_anyio])
@pytest.mark.parametrize("form", ["stream", "whole"])
def test_cancelled_twice_the_upstream_ends(how: Any, form: str) -> None:
    upstream = Upstream(answers=form == "stream")
    budget, book = CreditBudget(1_000, store=SlowStore()), SlowBook()
    ledger = SpendLedger(book)
    connections: list[Any] = []

    async def run() -> None:
        client = AsyncMessagesClient(api_key="sk-test", base_url=upstream.url, budget=budget, ledger=ledger)

        async def work() -> None:
            if form == "whole":
                await client.create(payload(stream=False))
                return
            async with client.stream(payload()) as stream:
                async for _ in stream:
                    pass

        async def ready() -> None:
            assert await until(lambda: upstream.served == 20)

        await asyncio.gather(*(how(work, ready) for _ in range(20)))
        assert await until(lambda: upstream.open == 0), f"{upstream.open} upstreams are open"
        for pool in client._pools:
            connections.extend(pool.transport._pool.connections)
            assert not pool.transport._pool._requests

    asyncio.run(run())
    assert upstream.served == 20
    assert [row.outcome for row in ledger.records()] == [Outcome.LOST] * 20
    standing = budget.standing()
    assert (standing.reserved_micro, standing.unknown_calls) == (0, 20)
    assert all(connection.is_closed() for connection in connections)
    upstream.close()


def the_upstream_of_agents_ends(
    upstream: Upstream, how: Any, ask: Callable[[Any], Coroutine[Any, Any, None]]
) -> None:
    """Twenty times ``ask`` of an agent, cancelled in ``how``: no upstream stays open, and each has its row."""
    agents = pytest.importorskip("langchain.agents")
    from langchain_aivideoapi import ChatAIVideoAPI

    ledger = SpendLedger(SlowBook())

    async def run() -> None:
        model = ChatAIVideoAPI(
            model="claude-sonnet-4-6", api_key="sk-test", base_url=upstream.url, ledger=ledger, streaming=True
        )
        agent = agents.create_agent(model)

        async def ready() -> None:
            assert await until(lambda: upstream.served == 20)

        await asyncio.gather(*(how(lambda: ask(agent), ready) for _ in range(20)))
        assert await until(lambda: upstream.open == 0), f"{upstream.open} upstreams are open"

    asyncio.run(run())
    assert upstream.served == 20
    assert [row.outcome for row in ledger.records()] == [Outcome.LOST] * 20


@pytest.mark.parametrize("how", [cancelled_twice, cancelled_by_anyio])
def test_an_agent_that_is_cancelled(upstream: Upstream, how: Any) -> None:
    async def ask(agent: Any) -> None:
        await agent.ainvoke({"messages": [("user", "hi")]})

    the_upstream_of_agents_ends(upstream, how, ask)


async def apart(stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """What docs/howto/serving.md advises: a task that is cancelled once, whatever becomes of its reader."""
    items: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    async def read() -> None:
        async for item in stream:
            items.put_nowait((item,))

    task = asyncio.create_task(read())
    task.add_done_callback(lambda _: items.put_nowait(()))
    try:
        while item := await items.get():
            yield item[0]
        await task
    finally:
        task.cancel()


@pytest.mark.parametrize("how", [cancelled_twice, cancelled_by_anyio])
def test_an_agent_that_streams_in_a_task_of_its_own(upstream: Upstream, how: Any) -> None:
    """LangGraph's ``astream`` leaves its tasks running when its cleaning up is cancelled, with any model."""

    async def ask(agent: Any) -> None:
        async for _ in apart(agent.astream({"messages": [("user", "hi")]}, stream_mode="messages")):
            pass

    the_upstream_of_agents_ends(upstream, how, ask)


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A server that accepts and says nothing: a proxy that never answers CONNECT."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_proxy_that_never_answers_costs_nothing() -> None:
    budget, ledger = CreditBudget(1_000), SpendLedger()
    async with silent() as proxy:
        for timeout in (httpx.Timeout(5.0, read=0.1), httpx.Timeout(5.0)):
            async with httpx.AsyncClient(proxy=proxy) as http:
                client = AsyncMessagesClient(
                    api_key="sk-test",
                    base_url="https://elsewhere.invalid",
                    http_client=http,
                    budget=budget,
                    ledger=ledger,
                    timeout=timeout,
                    retry=RetryPolicy(max_retries=0),
                )
                with pytest.raises((APIConnectionError, TimeoutError)) as caught:
                    await asyncio.wait_for(client.create(payload(stream=False)), 0.5)
                assert getattr(caught.value, "never_sent", True)
    assert [row.outcome for row in ledger.records()] == [Outcome.FAILED] * 2
    assert (budget.standing().spent_micro, budget.standing().reserved_micro) == (0, 0)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"SSL_CERT_FILE": "/nowhere/ca.pem"}, id="no CA file"),
        pytest.param({"HTTPS_PROXY": "socks5://127.0.0.1:9"}, id="no socksio"),
        pytest.param({"HTTPS_PROXY": "http://127.0.0.1:9"}, id="no proxy there"),
        pytest.param({"HTTPS_PROXY": "gopher://127.0.0.1:9"}, id="no such proxy"),
        pytest.param({"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "fd00::/8,[::1]:x"}, id="NO_PROXY"),
        pytest.param(
            {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "::1/128, ,%zz"}, id="NO_PROXY, a range"
        ),
        pytest.param({"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "*"}, id="NO_PROXY, all"),
        pytest.param({"SSL_CERT_FILE": __file__}, id="no certificate in the CA file"),
        pytest.param({"HTTPS_PROXY": "http://127.0.0.1:99999"}, id="no such port"),
    ],
)
@pytest.mark.parametrize("colour", ["sync", "httpx", "aiohttp"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_environment_that_lets_nothing_out(
    environment: dict[str, str], colour: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aivideoapi_core._http import pools

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    pools._authorities.cache_clear()
    budget, ledger = CreditBudget(1_000), SpendLedger()
    settings: dict[str, Any] = {
        "api_key": "sk-test",
        "base_url": "https://elsewhere.invalid",
        "budget": budget,
        "ledger": ledger,
        "retry": RetryPolicy(max_retries=0),
    }

    async def call() -> None:
        async with AsyncMessagesClient(http_engine=colour, **settings) as client:
            if stream:
                async with client.stream(payload()):
                    pass
            else:
                await client.create(payload(stream=False))

    def call_sync() -> None:
        with MessagesClient(**settings) as client:
            if stream:
                with client.stream(payload()):
                    pass
            else:
                client.create(payload(stream=False))

    try:
        with pytest.raises(APIConnectionError) as caught:
            call_sync() if colour == "sync" else asyncio.run(call())
    finally:
        pools._authorities.cache_clear()
    assert caught.value.never_sent
    assert [row.outcome for row in ledger.records()] == [Outcome.FAILED]
    assert (budget.standing().spent_micro, budget.standing().reserved_micro) == (0, 0)


def test_no_loop_of_asyncio() -> None:
    budget = CreditBudget(1_000)
    client = AsyncMessagesClient(api_key="sk-test", budget=budget)
    for work in (
        client.create(payload(stream=False)),
        client.stream(payload()).__aenter__(),
        client.credits(),
    ):
        with pytest.raises(InvalidInputError, match="asyncio"):
            work.send(None)
    assert budget.standing().reserved_micro == 0
