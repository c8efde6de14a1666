"""No framework: what a short script over httpx does, ``response.json()`` and ``iter_lines()``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx

from benchmarks.contestants import KEY, QUESTION
from benchmarks.job import Job
from benchmarks.jobs import STREAM_DELTAS, at_once, in_threads, many_async_calls, many_calls
from benchmarks.wire import ANSWER, tool_input, words

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
        return many_calls(lambda: self._post(1), _check_answer)

    def _ainvoke(self, size: int) -> Job:
        async def post() -> Any:
            return (await self._async_client.post(self._path("answer-0"), json=_request(1))).json()

        return many_async_calls(post, _check_answer)

    def _threads(self, size: int) -> Job:
        return in_threads(lambda: self._post(1), _check_answer)

    def _history(self, size: int) -> Job:
        return many_calls(lambda: self._post(size), _check_answer)

    def _post(self, messages: int) -> Any:
        return self._client.post(self._path("answer-0"), json=_request(messages)).json()

    def _stream(self, size: int) -> Job:
        return self._read(f"text-{size}", "text", "".join(words(size)))

    def _events(self, size: int) -> Job:
        return self._stream(size)

    def _tool(self, size: int) -> Job:
        return self._read(f"tool-{size}", "partial_json", json.dumps(tool_input(size)))

    def _think(self, size: int) -> Job:
        return self._read(f"think-{size}", "thinking", "".join(words(size)))

    def _read(self, scenario: str, field: str, expected: str) -> Job:
        def run() -> str:
            with self._client.stream("POST", self._path(scenario), json=_request(1, stream=True)) as response:
                return "".join(_deltas(response.iter_lines(), field))

        return Job(run=run, check=_check_text(expected))

    def _astream(self, size: int) -> Job:
        return Job(
            run=lambda: _aread(self._async_client, self._path(f"text-{size}")),
            check=_check_text("".join(words(size))),
            is_async=True,
        )

    def _first(self, size: int) -> Job:
        def run() -> tuple[float, str]:
            start = time.process_time()
            with self._client.stream(
                "POST", self._path(f"first-{size}"), json=_request(1, stream=True)
            ) as response:
                deltas = _deltas(response.iter_lines(), "text")
                first = next(deltas)
                cpu_s = time.process_time() - start
                return cpu_s, first + "".join(deltas)

        return Job(run=run, check=_check_text("".join(words(size))), clocks_itself=True)

    def _streams_cold(self, size: int) -> Job:
        async def run() -> list[Any]:
            async with httpx.AsyncClient(headers=_HEADERS, timeout=60, verify=False) as client:  # noqa: S501
                results: list[Any] = await self._at_once(client).run()
                return results

        return Job(run=run, check=self._at_once(self._async_client).check, is_async=True)

    def _streams_warm(self, size: int) -> Job:
        return self._at_once(self._async_client)

    def _at_once(self, client: httpx.AsyncClient) -> Job:
        path = self._path(f"paced-{STREAM_DELTAS}")
        return at_once(lambda: _aread(client, path), _check_text("".join(words(STREAM_DELTAS))))


async def _aread(client: httpx.AsyncClient, url: str) -> str:
    async with client.stream("POST", url, json=_request(1, stream=True)) as response:
        return "".join([delta async for line in response.aiter_lines() for delta in _deltas([line], "text")])


def _deltas(lines: Iterable[str], field: str) -> Iterator[str]:
    for line in lines:
        if line.startswith("data:"):
            event = json.loads(line[5:])
            if event["type"] == "content_block_delta" and field in event["delta"]:
                yield event["delta"][field]


def _request(messages: int, *, stream: bool = False) -> dict[str, Any]:
    turns = [{"role": ("user", "assistant")[number % 2], "content": QUESTION} for number in range(messages)]
    return {"model": "claude-sonnet-4-5", "max_tokens": 2048, "stream": stream, "messages": turns}


def _check_answer(reply: dict[str, Any]) -> None:
    if reply["content"][-1]["text"] != ANSWER:
        raise AssertionError(reply)


def _check_text(expected: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        assert text == expected, f"{text!r:.200} is not {expected!r:.200}"

    return check
