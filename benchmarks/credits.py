"""What a tracker, a budget and a ledger add to the CPU time of a streamed call: ``python -m benchmarks.credits``.

Each round makes the same streamed calls plainly and with each addition, in changing order, against a
sandbox in a process of its own. Printed are the ratios to the plain calls: of the medians of all rounds, and of the
least; only this process's CPU time counts. Differences below two per cent are noise. With ``--tokens-per-s`` each delta
comes alone, as from a model that is at work; without it they come as fast as they can, several at once, and the
call they are compared with is the cheapest there can be.
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

from aivideoapi_core import CreditBudget, MessagesClient, SpendLedger, build_payload, spend_for, track_spend

KEY = "sk-sandbox-0000"


@contextlib.contextmanager
def sandbox(deltas: int, tokens_per_s: float | None = None) -> Any:
    """A sandbox in its own process, whose answers have so many deltas, at this pace; yields its URL."""
    program = (
        "import sys\n"
        "from aivideoapi_core.sandbox import Reply, Sandbox\n"
        "pace = float(sys.argv[3]) if sys.argv[3:] else None\n"
        "with Sandbox(balance_credits=10**9, tokens_per_s=pace) as server:\n"
        "    server.enqueue(*[Reply('word ' * int(sys.argv[1]), pieces=5)] * int(sys.argv[2]))\n"
        "    print(server.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    pace = [] if tokens_per_s is None else [str(tokens_per_s)]
    command = [sys.executable, "-c", program, str(deltas), str(1_000_000), *pace]
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
        "all in memory": {"budget": CreditBudget(10**9), "ledger": SpendLedger()},
        "all in SQLite": {
            "budget": CreditBudget(10**9, store=folder / f"{owner}-all-budget.sqlite"),
            "ledger": SpendLedger(folder / f"{owner}-all-ledger.sqlite"),
        },
        "all in one SQLite file": {
            "budget": CreditBudget(10**9, store=folder / f"{owner}-one.sqlite"),
            "ledger": SpendLedger(folder / f"{owner}-one.sqlite"),
        },
    }


def added_calls(
    calls: Callable[..., Callable[[int], None]], folder: Path, owner: str
) -> dict[str, Callable[[int], None]]:
    """The calls that ``calls`` makes of each addition; with all of them, they are told for whom they are."""

    def attributed(run: Callable[[int], None]) -> Callable[[int], None]:
        def within(count: int) -> None:
            with spend_for(user="user-17", customer="acme"):
                run(count)

        return within

    return {
        name: attributed(calls(**options)) if name.startswith("all") else calls(**options)
        for name, options in additions(folder, owner).items()
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

    added = added_calls(calls, folder, "core")
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

    added = added_calls(calls, folder, "langchain")
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

    added = added_calls(calls, folder, "async")
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

    added = added_calls(calls, folder, "llamaindex")
    return {"plain": plain, "track_credits": tracked, **added}


def llamaindex_async_calls(url: str, folder: Path) -> dict[str, Callable[[int], None]]:
    """LlamaIndex's ``astream_chat``."""
    from llama_index.core.llms import ChatMessage

    from llamaindex_aivideoapi import AIVideoAPI, track_credits

    settings: Any = {"model": "claude-sonnet-4-6", "api_key": KEY, "base_url": url, "max_tokens": 1000}
    runner = asyncio.Runner()

    def calls(**options: Any) -> Callable[[int], None]:
        llm = AIVideoAPI(**settings, **options)

        async def run(count: int) -> None:
            for _ in range(count):
                async for _ in await llm.astream_chat([ChatMessage("Tell me")]):
                    pass

        return lambda count: runner.run(run(count))

    plain = calls()

    def tracked(count: int) -> None:
        with track_credits():
            plain(count)

    added = added_calls(calls, folder, "llamaindex-async")
    return {"plain": plain, "track_credits": tracked, **added}


def measure(
    forms: dict[str, Callable[[int], None]], *, rounds: int, calls: int
) -> dict[str, tuple[float, float]]:
    """Ratio of CPU time to the plain form's, by name: of the medians of the rounds, and of the least."""
    for run in forms.values():
        run(3)
    taken: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        order = list(forms)
        random.shuffle(order)
        for name in order:
            began = time.process_time()
            forms[name](calls)
            taken[name].append(time.process_time() - began)
    plain = taken["plain"]
    return {
        name: (statistics.median(times) / statistics.median(plain), min(times) / min(plain))
        for name, times in taken.items()
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--calls", type=int, default=1, help="streamed calls of a form in each round")
    parser.add_argument(
        "--deltas", type=int, default=200, help="the cost is one per call, so fewer weigh more"
    )
    parser.add_argument("--tokens-per-s", type=float, help="how fast deltas come, one by one; else at once")
    parser.add_argument("--only", default="", help="how the names of additions begin, such as 'all'")
    arguments = parser.parse_args()
    with sandbox(arguments.deltas, arguments.tokens_per_s) as url, tempfile.TemporaryDirectory() as folder:
        for title, make in (
            ("core", core_calls),
            ("LangChain", langchain_calls),
            ("LangChain, asynchronous", langchain_async_calls),
            ("LlamaIndex", llamaindex_calls),
            ("LlamaIndex, asynchronous", llamaindex_async_calls),
        ):
            print(
                f"{title}: CPU time of a streamed call of {arguments.deltas} deltas, ratio to the plain call"
            )
            forms = {
                name: run
                for name, run in make(url, Path(folder)).items()
                if name == "plain" or name.startswith(arguments.only)
            }
            for name, (median, least) in measure(
                forms, rounds=arguments.rounds, calls=arguments.calls
            ).items():
                print(f"  {name:24} {median:.3f} {least:.3f}", flush=True)


if __name__ == "__main__":
    main()
