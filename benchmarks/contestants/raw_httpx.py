"""The wire alone: httpx sends and receives, nothing is made of the bytes. What no adapter over httpx can save."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.contestants import KEY, QUESTION
from benchmarks.job import Job
from benchmarks.jobs import STREAM_DELTAS, at_once, in_threads, many_async_calls, many_calls
from benchmarks.wire import ANSWER, stream_body

_HEADERS = {"authorization": f"Bearer {KEY}"}


class HttpxJobs:
    """Jobs over ``httpx.Client`` and ``httpx.AsyncClient`` with their default limits."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(headers=_HEADERS, timeout=60)
        self._async_client = httpx.AsyncClient(headers=_HEADERS, timeout=60)

    def job(self, metric: str, size: int) -> Job:
        """The job of that name; ``LookupError`` for those that mean nothing without a framework."""
        make: Callable[[int], Job] | None = getattr(self, f"_{metric}", None)
        if make is None:
            raise LookupError(metric)
        return make(size)

    def _path(self, scenario: str) -> str:
        return f"{self._url}/{scenario}/v1/messages"

    def _construct(self, size: int) -> Job:
        return many_calls(httpx.Client, lambda client: client.close())

    def _invoke(self, size: int) -> Job:
        return many_calls(lambda: self._client.post(self._path("answer-0"), json=_request(1)), _check_answer)

    def _ainvoke(self, size: int) -> Job:
        return many_async_calls(
            lambda: self._async_client.post(self._path("answer-0"), json=_request(1)), _check_answer
        )

    def _threads(self, size: int) -> Job:
        return in_threads(lambda: self._client.post(self._path("answer-0"), json=_request(1)), _check_answer)

    def _history(self, size: int) -> Job:
        return many_calls(
            lambda: self._client.post(self._path("answer-0"), json=_request(size)), _check_answer
        )

    def _stream(self, size: int) -> Job:
        return self._read(f"text-{size}")

    def _events(self, size: int) -> Job:
        return self._read(f"text-{size}")

    def _tool(self, size: int) -> Job:
        return self._read(f"tool-{size}")

    def _think(self, size: int) -> Job:
        return self._read(f"think-{size}")

    def _read(self, scenario: str) -> Job:
        def run() -> list[bytes]:
            with self._client.stream("POST", self._path(scenario), json=_request(1, stream=True)) as response:
                return list(response.iter_bytes())

        return Job(run=run, check=_body_check(scenario))

    def _astream(self, size: int) -> Job:
        return Job(
            run=lambda: _aread(self._async_client, self._path(f"text-{size}")),
            check=_body_check(f"text-{size}"),
            is_async=True,
        )

    def _first(self, size: int) -> Job:
        def run() -> tuple[float, list[bytes]]:
            start = time.process_time()
            with self._client.stream(
                "POST", self._path(f"first-{size}"), json=_request(1, stream=True)
            ) as response:
                chunks = response.iter_bytes()
                pieces = list(itertools.islice(chunks, 3))
                cpu_s = time.process_time() - start
                return cpu_s, [*pieces, *chunks]

        return Job(run=run, check=_body_check(f"first-{size}"), clocks_itself=True)

    def _streams_cold(self, size: int) -> Job:
        scenario = f"paced-{STREAM_DELTAS}"

        async def run() -> list[Any]:
            async with httpx.AsyncClient(headers=_HEADERS, timeout=60, verify=False) as client:  # noqa: S501
                job = at_once(lambda: _aread(client, self._path(scenario)), lambda _: None)
                results: list[Any] = await job.run()
                return results

        check = _body_check(scenario)
        return Job(run=run, check=lambda bodies: [check(body) for body in bodies] and None, is_async=True)

    def _streams_warm(self, size: int) -> Job:
        scenario = f"paced-{STREAM_DELTAS}"
        return at_once(lambda: _aread(self._async_client, self._path(scenario)), _body_check(scenario))


async def _aread(client: httpx.AsyncClient, url: str) -> list[bytes]:
    async with client.stream("POST", url, json=_request(1, stream=True)) as response:
        return [chunk async for chunk in response.aiter_bytes()]


def _request(messages: int, *, stream: bool = False) -> dict[str, Any]:
    turns = [{"role": ("user", "assistant")[number % 2], "content": QUESTION} for number in range(messages)]
    return {"model": "claude-sonnet-4-5", "max_tokens": 2048, "stream": stream, "messages": turns}


def _check_answer(response: httpx.Response) -> None:
    assert json.loads(response.content)["content"][0]["text"] == ANSWER


def _body_check(scenario: str) -> Callable[[list[bytes]], None]:
    expected = stream_body(scenario)

    def check(pieces: list[bytes]) -> None:
        assert b"".join(pieces) == expected

    return check
