"""``python -m benchmarks.batch``: CPU per row of a batch job, beside raw httpx and the adapter without a job, in one run.

Rounds alternate between the contestants; each figure is the least, and each ratio is of two figures of one run. The
server is a process of its own; Redis, where ``--redis URL`` names one to be emptied, is another.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aivideoapi_batch import BatchJob, Pace, prompt_call
from aivideoapi_core import CreditBudget, SpendLedger

_MODEL: Final = "claude-haiku-4-5/anthropic"
_PROMPT: Final = "Say {text}"

Contestant = Callable[[int], Awaitable[None]]
"""Makes so many calls, or rows."""


def _rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{number}", "text": f"Row {number}"} for number in range(count)]


class Contestants:
    """All of them, with the same number of calls at once."""

    def __init__(self, url: str, *, concurrency: int, folder: Path, redis: str | None) -> None:
        self._url = url
        self._concurrency = concurrency
        self._folder = folder
        self._redis = redis
        self._number = 0

    def all(self) -> dict[str, Contestant]:
        """Each by its name; the first of each pair is what the second is measured by."""
        found: dict[str, Contestant] = {
            "httpx": self._httpx,
            "LangChain abatch": lambda count: self._abatch(count),
            "LangChain job": lambda count: self._job(self._langchain(), count),
            "LangChain abatch, books": lambda count: self._abatch(count, books=True),
            "LangChain job, books": lambda count: self._job(self._langchain(books=True), count),
            "LlamaIndex run_jobs": self._run_jobs,
            "LlamaIndex job": lambda count: self._job(self._llamaindex(), count),
        }
        if self._redis is not None:
            url = self._redis
            found["LangChain job, journal in Redis"] = lambda count: self._job(
                self._langchain(), count, journal=url
            )
            found["LangChain job, journal and pace in Redis"] = lambda count: self._job(
                self._langchain(), count, journal=url, pace=Pace.shared(url, name="bench")
            )
        return found

    async def _httpx(self, count: int) -> None:
        import httpx

        body = {
            "model": "claude-haiku-4-5",
            "max_tokens": 50,
            "stream": False,
            "messages": [{"role": "user", "content": "Say Row 1"}],
        }
        left = iter(range(count))
        async with httpx.AsyncClient(base_url=self._url) as client:

            async def work() -> None:
                for _ in left:
                    reply = await client.post("/v1/messages", json=body)
                    assert reply.json()["content"]

            await asyncio.gather(*(work() for _ in range(self._concurrency)))

    async def _abatch(self, count: int, *, books: bool = False) -> None:
        model = self._langchain(books=books)
        answers = await model.abatch(
            [_PROMPT.format(**row) for row in _rows(count)], config={"max_concurrency": self._concurrency}
        )
        assert all(answer.text for answer in answers)

    async def _run_jobs(self, count: int) -> None:
        from llama_index.core.async_utils import run_jobs

        llm = self._llamaindex()
        answers = await run_jobs(
            [llm.acomplete(_PROMPT.format(**row)) for row in _rows(count)], workers=self._concurrency
        )
        assert all(answer.text for answer in answers)

    async def _job(
        self, model: Any, count: int, *, journal: str | None = None, pace: Pace | None = None
    ) -> None:
        job = BatchJob(
            prompt_call(model, _PROMPT),
            name=f"bench{self._next()}",
            journal=journal or self._folder / f"journal{self._next()}",
            concurrency=self._concurrency,
            pace=pace,
        )
        results = [result async for result in job.arun(_rows(count))]
        assert len(results) == count
        assert all(result.answer for result in results)
        job.close()

    def _settings(self, *, books: bool) -> dict[str, Any]:
        settings: dict[str, Any] = {"api_key": "sk-benchmark", "base_url": self._url, "max_tokens": 50}
        if books:
            place = self._folder / f"books{self._next()}.sqlite"
            settings["budget"] = CreditBudget(10**6, store=place)
            settings["ledger"] = SpendLedger(place)
        return settings

    def _langchain(self, *, books: bool = False) -> Any:
        from langchain_aivideoapi import ChatAIVideoAPI

        return ChatAIVideoAPI(model=_MODEL, **self._settings(books=books))

    def _llamaindex(self) -> Any:
        from llamaindex_aivideoapi import AIVideoAPI

        return AIVideoAPI(_MODEL, **self._settings(books=False))

    def _next(self) -> int:
        self._number += 1
        return self._number


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--redis", metavar="URL", help="a Redis to use; its keys stay")
    parser.add_argument("--only", action="append", default=[], help="contestants whose name has this in it")
    options = parser.parse_args()
    command = [sys.executable, "-m", "benchmarks.server"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        assert server.stdin is not None
        contestants = Contestants(
            f"http://127.0.0.1:{int(server.stdout.readline())}/answer-0",
            concurrency=options.concurrency,
            folder=Path(folder),
            redis=options.redis,
        ).all()
        chosen = {
            name: run
            for name, run in contestants.items()
            if not options.only or any(part in name for part in options.only)
        }
        least = _measured(chosen, rounds=options.rounds, rows=options.rows)
        server.stdin.close()
    print(f"{'CPU per row, ms':44}{'least':>8}{'beside':>8}")
    for name, cost_s in least.items():
        bases = [base for base in least if base != name and _is_base(base, name)]
        ratio = f"{cost_s / least[bases[-1]]:8.2f}" if bases else ""
        print(f"{name:44}{cost_s * 1e3:8.3f}{ratio}")


def _is_base(base: str, name: str) -> bool:
    """Whether ``name`` is measured by ``base``: the same adapter and the same books, without a job."""
    framework, _, what = name.partition(" ")
    without = {"job": ("abatch", "run_jobs"), "job, books": ("abatch, books",)}
    return base in {f"{framework} {other}" for other in without.get(what, without["job"])} and "job" in what


def _measured(contestants: dict[str, Contestant], *, rounds: int, rows: int) -> dict[str, float]:
    """The least CPU seconds per row of each."""
    for run in contestants.values():
        asyncio.run(run(50))  # type: ignore[arg-type]  # coroutine functions all
    least = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, run in contestants.items():
            began_s = time.process_time()
            asyncio.run(run(rows))  # type: ignore[arg-type]  # coroutine functions all
            least[name] = min(least[name], (time.process_time() - began_s) / rows)
    return least


if __name__ == "__main__":
    main()
