"""``python -m benchmarks.paced``: streams that come token by token, 60 a second each, 1, 100 and 1,000 at once.

For each contestant on each engine: CPU per delta of the client's process (kernel included), how many such streams one
core carries, and what an open stream holds in memory. The server is a process of its own. Where a core is full the
deltas come later than planned and several at once, so that the largest row is cheaper per delta than it would be with
cores to spare.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from benchmarks.contestants import KEY, QUESTION
from benchmarks.contestants.peer_engine import put_into_langchain, put_into_llamaindex
from benchmarks.runner import loopback_server
from benchmarks.wire import TOKEN_PACE_S

DELTAS: Final = 60
SIZES: Final = (1, 100, 1_000)
CONTESTANTS: Final = tuple(
    (framework, role, engine)
    for framework in ("langchain", "llamaindex")
    for role in ("ours", "peer")
    for engine in ("httpx", "aiohttp")
)
ReadOne = Callable[[Callable[[], None]], Coroutine[Any, Any, int]]
"""Reads one stream, calls its argument at the first delta, and gives the number of deltas."""


def _model(framework: str, role: str, engine: str, url: str) -> Any:
    os.environ["AIVIDEOAPI_HTTP_ENGINE"] = engine
    settings: dict[str, Any] = {"api_key": KEY, "base_url": f"{url}/tokens-{DELTAS}", "max_tokens": 2048}
    match framework, role:
        case "langchain", "ours":
            from langchain_aivideoapi import ChatAIVideoAPI

            return ChatAIVideoAPI(model="claude-sonnet-4-5/anthropic", **settings)
        case "llamaindex", "ours":
            from llamaindex_aivideoapi import AIVideoAPI

            return AIVideoAPI(model="claude-sonnet-4-5/anthropic", **settings)
        case "langchain", _:
            from langchain_anthropic import ChatAnthropic

            chat = ChatAnthropic(**{"model": "claude-sonnet-4-5", **settings})
            if engine == "aiohttp":
                put_into_langchain(chat, settings["base_url"])
            return chat
        case _:
            from llama_index.llms.anthropic import Anthropic

            llm = Anthropic(model="claude-sonnet-4-5", **settings)
            if engine == "aiohttp":
                put_into_llamaindex(llm, settings["base_url"])
            return llm


def _reader(framework: str, model: Any) -> ReadOne:
    async def read_langchain(begun: Callable[[], None]) -> int:
        count = 0
        async for chunk in model.astream(QUESTION):
            if chunk.content:
                count += 1
                if count == 1:
                    begun()
        return count

    async def read_llamaindex(begun: Callable[[], None]) -> int:
        from llama_index.core.llms import ChatMessage

        count = 0
        async for response in await model.astream_chat([ChatMessage(QUESTION)]):
            if response.delta:
                count += 1
                if count == 1:
                    begun()
        return count

    return read_langchain if framework == "langchain" else read_llamaindex


def _rss_kib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _measured(read: ReadOne, streams: int) -> dict[str, float]:
    """µs of CPU per delta, and KiB per stream at the moment when the last one has begun."""
    before_kib, waiting, held_kib = _rss_kib(), streams, 0.0

    def begun() -> None:
        nonlocal waiting, held_kib
        waiting -= 1
        if waiting == 0:
            held_kib = (_rss_kib() - before_kib) / streams

    began_s = _cpu_s()
    counts = await asyncio.gather(*(read(begun) for _ in range(streams)))
    assert counts == [DELTAS] * streams, f"not every stream was whole: {set(counts)}"
    return {"us": (_cpu_s() - began_s) / sum(counts) * 1e6, "kib": held_kib}


async def _contestant(framework: str, role: str, engine: str, url: str, sizes: list[int]) -> None:
    read = _reader(framework, _model(framework, role, engine, url))
    await _measured(read, 1)  # warm
    for streams in sizes:
        rounds = [await _measured(read, streams) for _ in range(1 if streams >= SIZES[-1] else 3)]
        found = {"us": statistics.median(each["us"] for each in rounds), "kib": rounds[0]["kib"]}
        print(json.dumps({"streams": streams, **found}), flush=True)


def _ask(python: str, name: tuple[str, str, str], url: str, sizes: list[int], *, uvloop: bool) -> None:
    command = [python, "-m", "benchmarks.paced", "--worker", *name, url, json.dumps(sizes), str(int(uvloop))]
    done = subprocess.run(command, capture_output=True, text=True)
    label = f"{' '.join(name)}{' uvloop' if uvloop else ''}"
    if done.returncode:
        print(f"{label:32} does not take part: {done.stderr.strip().splitlines()[-1][:120]}", flush=True)
    for line in done.stdout.splitlines():
        found = json.loads(line)
        per_core = 1e6 * TOKEN_PACE_S / found["us"]
        print(
            f"{label:32}{found['streams']:8,}{found['us']:12.1f}{per_core:12.0f}{found['kib']:12.0f}",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--worker"]:
        framework, role, engine, url, sizes, uvloop = sys.argv[2:]
        run = importlib.import_module("uvloop").run if int(uvloop) else asyncio.run
        run(_contestant(framework, role, engine, url, json.loads(sizes)))
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paced", description=__doc__)
    parser.add_argument("--llamaindex-peer-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--uvloop", action="store_true", help="the middle size on uvloop too")
    options = parser.parse_args()
    print(f"{'':32}{'streams':>8}{'µs/delta':>12}{'per core':>12}{'KiB/stream':>12}", flush=True)
    with loopback_server() as url:
        for name in CONTESTANTS:
            is_peer = name[:2] == ("llamaindex", "peer")
            python = options.llamaindex_peer_python if is_peer else sys.executable
            _ask(python, name, url, options.sizes, uvloop=False)
            if options.uvloop:
                _ask(python, name, url, [SIZES[1]], uvloop=True)


if __name__ == "__main__":
    main()
