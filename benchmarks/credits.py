"""What a tracker, a budget and a ledger add to the CPU time of a streamed call: ``python -m benchmarks.credits``.

Each round makes the same streamed calls plainly and with each addition, in changing order, against a
sandbox in a process of its own. Printed is the median over the rounds of the ratio to the plain calls
of the same round; only this process's CPU time counts. Differences below two per cent are noise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aivideoapi_core import CreditBudget, MessagesClient, SpendLedger, build_payload, track_spend

KEY = "sk-sandbox-0000"


@contextlib.contextmanager
def sandbox(deltas: int) -> Any:
    """A sandbox in its own process, whose answers have so many deltas; yields its URL."""
    program = (
        "import sys\n"
        "from aivideoapi_core.sandbox import Reply, Sandbox\n"
        "with Sandbox(balance_credits=10**9) as server:\n"
        "    server.enqueue(*[Reply('word ' * int(sys.argv[1]), pieces=5)] * int(sys.argv[2]))\n"
        "    print(server.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(deltas), str(1_000_000)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def additions(folder: Path, owner: str) -> dict[str, dict[str, Any]]:
    """Options of a client or model, by what they add."""
    return {
        "budget in memory": {"budget": CreditBudget(10**9)},
        "ledger in memory": {"ledger": SpendLedger()},
        "budget in SQLite": {"budget": CreditBudget(10**9, store=folder / f"{owner}-budget.sqlite")},
        "ledger in SQLite": {"ledger": SpendLedger(folder / f"{owner}-ledger.sqlite")},
    }


def core_calls(url: str, folder: Path) -> dict[str, Callable[[int], None]]:
    """The core client, plain and with each addition."""
    payload = build_payload(
        "claude-sonnet-4-6", [{"role": "user", "content": "Tell me " * 200}], stream=True, max_tokens=1000
    )

    def calls(**options: Any) -> Callable[[int], None]:
        client = MessagesClient(api_key=KEY, base_url=url, **options)

        def run(count: int) -> None:
            for _ in range(count):
                with client.stream(payload) as stream:
                    for _ in stream:
                        pass

        return run

    plain = calls()

    def tracked(count: int) -> None:
        with track_spend():
            plain(count)

    added = {name: calls(**options) for name, options in additions(folder, "core").items()}
    return {"plain": plain, "tracker": tracked, **added}


def langchain_calls(url: str, folder: Path) -> dict[str, Callable[[int], None]]:
    """LangChain's ``stream``."""
    from langchain_aivideoapi import ChatAIVideoAPI, get_credits_callback

    settings: Any = {"model": "claude-sonnet-4-6", "api_key": KEY, "base_url": url, "max_tokens": 1000}

    def calls(**options: Any) -> Callable[[int], None]:
        model = ChatAIVideoAPI(**settings, **options)

        def run(count: int) -> None:
            for _ in range(count):
                for _ in model.stream("Tell me"):
                    pass

        return run

    plain = calls()

    def tracked(count: int) -> None:
        with get_credits_callback():
            plain(count)

    added = {name: calls(**options) for name, options in additions(folder, "langchain").items()}
    return {"plain": plain, "get_credits_callback": tracked, **added}


def langchain_async_calls(url: str, folder: Path) -> dict[str, Callable[[int], None]]:
    """LangChain's ``astream``."""
    from langchain_aivideoapi import ChatAIVideoAPI, get_credits_callback

    settings: Any = {"model": "claude-sonnet-4-6", "api_key": KEY, "base_url": url, "max_tokens": 1000}
    runner = asyncio.Runner()

    def calls(**options: Any) -> Callable[[int], None]:
        model = ChatAIVideoAPI(**settings, **options)

        async def run(count: int) -> None:
            for _ in range(count):
                async for _ in model.astream("Tell me"):
                    pass

        return lambda count: runner.run(run(count))

    plain = calls()

    def tracked(count: int) -> None:
        with get_credits_callback():
            plain(count)

    added = {name: calls(**options) for name, options in additions(folder, "async").items()}
    return {"plain": plain, "get_credits_callback": tracked, **added}


def llamaindex_calls(url: str, folder: Path) -> dict[str, Callable[[int], None]]:
    """LlamaIndex's ``stream_chat``."""
    from llama_index.core.llms import ChatMessage

    from llamaindex_aivideoapi import AIVideoAPI, track_credits

    settings: Any = {"model": "claude-sonnet-4-6", "api_key": KEY, "base_url": url, "max_tokens": 1000}

    def calls(**options: Any) -> Callable[[int], None]:
        llm = AIVideoAPI(**settings, **options)

        def run(count: int) -> None:
            for _ in range(count):
                for _ in llm.stream_chat([ChatMessage("Tell me")]):
                    pass

        return run

    plain = calls()

    def tracked(count: int) -> None:
        with track_credits():
            plain(count)

    added = {name: calls(**options) for name, options in additions(folder, "llamaindex").items()}
    return {"plain": plain, "track_credits": tracked, **added}


def measure(forms: dict[str, Callable[[int], None]], *, rounds: int, calls: int) -> dict[str, float]:
    """Median ratio of CPU time to the plain form's, by name."""
    for run in forms.values():
        run(3)
    ratios: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        order, taken = list(forms), {}
        random.shuffle(order)
        for name in order:
            began = time.process_time()
            forms[name](calls)
            taken[name] = time.process_time() - began
        for name, seconds in taken.items():
            ratios[name].append(seconds / taken["plain"])
    return {name: statistics.median(values) for name, values in ratios.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--calls", type=int, default=10, help="streamed calls of a form in each round")
    parser.add_argument(
        "--deltas", type=int, default=200, help="the cost is one per call, so fewer weigh more"
    )
    arguments = parser.parse_args()
    with sandbox(arguments.deltas) as url, tempfile.TemporaryDirectory() as folder:
        for title, make in (
            ("core", core_calls),
            ("LangChain", langchain_calls),
            ("LangChain, asynchronous", langchain_async_calls),
            ("LlamaIndex", llamaindex_calls),
        ):
            print(
                f"{title}: CPU time of a streamed call of {arguments.deltas} deltas, ratio to the plain call"
            )
            forms = make(url, Path(folder))
            for name, ratio in measure(forms, rounds=arguments.rounds, calls=arguments.calls).items():
                print(f"  {name:24} {ratio:.3f}")


if __name__ == "__main__":
    main()
