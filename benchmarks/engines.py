"""``python -m benchmarks.engines``: the engines under the asynchronous client, side by side in one run.

CPU per event of the core's client, and for paced streams how many one core carries. Rounds alternate between
the engines; each figure is the median.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from typing import Final, NamedTuple

from aivideoapi_core import AsyncMessagesClient, build_payload
from benchmarks.wire import PACE_S

_ENGINES: Final = ("httpx", "aiohttp")
_PAYLOAD: Final = build_payload("claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=True)


class Row(NamedTuple):
    """One load: the server's scenario, and how many streams at once."""

    title: str
    scenario: str
    streams: int


_ROWS: Final = (
    Row("one stream of 1,000 deltas", "text-1000", 1),
    Row("200 streams of 40 deltas at once", "text-40", 200),
    Row("100 paced streams", "paced-400", 100),
)


async def _measured(row: Row, engine: str, port: int) -> tuple[float, int]:
    """CPU seconds and events of one round, warm."""
    async with AsyncMessagesClient(
        api_key="sk-benchmark", base_url=f"http://127.0.0.1:{port}/{row.scenario}", http_engine=engine
    ) as client:

        async def read() -> int:
            async with client.stream(_PAYLOAD) as stream:
                return len([event async for event in stream])

        await read()
        began_s = time.process_time()
        events = sum(await asyncio.gather(*(read() for _ in range(row.streams))))
        return time.process_time() - began_s, events


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds: int = parser.parse_args().rounds
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        print(f"{'µs of CPU per event':36}{_ENGINES[0]:>10}{_ENGINES[1]:>10}{'ratio':>8}")
        for row in _ROWS:
            found: dict[str, list[float]] = {engine: [] for engine in _ENGINES}
            for _ in range(rounds):
                for engine in _ENGINES:
                    cpu_s, events = asyncio.run(_measured(row, engine, port))
                    found[engine].append(cpu_s / events * 1e6)
            slow, fast = (statistics.median(found[engine]) for engine in _ENGINES)
            print(f"{row.title:36}{slow:10.1f}{fast:10.1f}{fast / slow:8.2f}")
        print(f"(a paced stream gets a piece every {PACE_S * 1000:g} ms)")
        assert server.stdin is not None
        server.stdin.close()


if __name__ == "__main__":
    main()
