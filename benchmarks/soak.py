"""A soak run, by hand: many mixed calls at once, some of them faulty, and nothing may be left behind.

    python benchmarks/soak.py                # 20,000 calls, 200 at a time, 10 % with a fault
    python benchmarks/soak.py --calls 2000   # a short one

The sandbox runs in a process of its own, so that the memory measured is the client's. Exit code 1
if memory grows by more than 5 % after the warm-up, if a socket or task is left, or if what the
models counted differs from the sandbox's ledger by a microcredit.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import random
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

from langchain_core._api import LangChainBetaWarning
from llama_index.core.llms import ChatMessage

from aivideoapi_core import AIVideoAPIError
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

MODELS: Final = ("claude-sonnet-4-6", "claude-sonnet-4-6/anthropic")
BROKEN: Final = ("IncompleteStreamError", "StreamError", "ResponseFormatError", "APIConnectionError")
WARM_UP: Final = 0.3
LARGEST_GROWTH: Final = 0.05
FAULTS: Final = (
    # overcome by another try
    "rate_limit_exceeded;retry_after=0;times=1;id={id}",
    "internal_error;times=1;id={id}",
    "overloaded_error;times=1;id={id}",
    "html;status=502;times=1;id={id}",
    "error_event;after_events=1;times=1;id={id}",
    # refused
    "insufficient_credits",
    "spend_limit_exceeded",
    "invalid_request",
    "envelope;code=402;msg=no",
    # broken on the way
    "cut;after_events=4",
    "malformed;after_events=4",
    "out_of_order;variant=start_twice",
    "truncated_gzip",
)


@dataclass(slots=True)
class Tally:
    """What the callers saw. ``micro`` is the sum of the computed credits of whole answers."""

    answered: int = 0
    micro: int = 0
    abandoned: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def serve(pipe: Connection) -> None:
    """The sandboxes' process: says where they are, then, asked once, what their ledgers hold.

    Streams that are to be abandoned have one of their own: whether the server notices in time that
    we have left is a matter of luck, and the other ledger must be equal to the microcredit.
    """
    with Sandbox(balance_credits=10**9) as kept, Sandbox(balance_credits=10**9) as left:
        pipe.send((kept.url, left.url, kept.api_key))
        pipe.recv()
        charged = [entry for entry in kept.ledger if entry.charged]
        whole = [entry for entry in charged if entry.outcome == "ok"]
        pipe.send({
            "requests": len(kept.requests) + len(left.requests),
            "whole": len(whole),
            "whole_micro": sum(entry.credits_micro or 0 for entry in whole),
            "broken": len(charged) - len(whole),
        })  # fmt: skip
        pipe.recv()


class Caller:
    """The models, shared by all calls, and one method per way to call them."""

    def __init__(self, url: str, url_to_leave: str, key: str) -> None:
        self.tally = Tally()
        common: dict[str, Any] = {"api_key": key, "timeout": 60.0}
        self._chat = [ChatAIVideoAPI(model=model, base_url=url, **common) for model in MODELS]
        self._to_leave = [ChatAIVideoAPI(model=model, base_url=url_to_leave, **common) for model in MODELS]
        self._llm = [AIVideoAPI(model=model, base_url=url, **common) for model in MODELS]
        self._ways = {
            "invoke": self._invoke,
            "stream": self._stream,
            "events": self._events,
            "chat": self._achat,
            "stream_chat": self._stream_chat,
            "abandoned": self._abandon,
        }

    async def aclose(self) -> None:
        """Close all connections of the running loop."""
        for model in (*self._chat, *self._to_leave):
            await model._async_client().aclose()
        for llm in self._llm:
            await llm._async_client.aclose()

    async def call(self, number: int, rng: random.Random, fault_share: float) -> None:
        """One call in a random mode on a random route, with a fault now and then."""
        headers = {}
        if rng.random() < fault_share:
            headers["x-sandbox-fault"] = rng.choice(FAULTS).format(id=number)
        route, mode = rng.randrange(2), rng.choice(list(self._ways))
        question = f"Tell me about the number {number}. " + "Please. " * rng.randrange(40)
        try:
            micro = await self._ways[mode](route, question, headers)
        except AIVideoAPIError as error:
            name = next(
                cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("aivideoapi_core")
            )
            self.tally.errors[f"abandoned: {name}" if mode == "abandoned" else name] += 1
            return
        if micro is None:
            self.tally.abandoned += 1
        else:
            self.tally.answered += 1
            self.tally.micro += micro

    async def _invoke(self, route: int, question: str, headers: dict[str, str]) -> int:
        return _micro_of(await self._chat[route].ainvoke(question, extra_headers=headers))

    async def _stream(self, route: int, question: str, headers: dict[str, str]) -> int:
        total = None
        async for chunk in self._chat[route].astream(question, extra_headers=headers):
            total = chunk if total is None else total + chunk
        return _micro_of(total)

    async def _events(self, route: int, question: str, headers: dict[str, str]) -> int:
        events = await self._chat[route].astream_events(question, version="v3", extra_headers=headers)
        return _micro_of(await events)

    async def _achat(self, route: int, question: str, headers: dict[str, str]) -> int:
        response = await self._llm[route].achat(
            [ChatMessage(role="user", content=question)], extra_headers=headers
        )
        return int(response.additional_kwargs["credits_consumed_micro"])

    async def _stream_chat(self, route: int, question: str, headers: dict[str, str]) -> int:
        messages = [ChatMessage(role="user", content=question)]
        last = None
        async for response in await self._llm[route].astream_chat(messages, extra_headers=headers):
            last = response
        assert last is not None
        return int(last.additional_kwargs["credits_consumed_micro"])

    async def _abandon(self, route: int, question: str, headers: dict[str, str]) -> None:
        async for _ in self._to_leave[route].astream(question, extra_headers=headers):
            break


def _micro_of(message: Any) -> int:
    return int(message.usage_metadata["credits_consumed_micro"])


def resident_mib() -> float:
    """Memory of this process, in MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_sockets() -> int:
    """Sockets of this process."""
    links = (f"/proc/self/fd/{entry}" for entry in os.listdir("/proc/self/fd"))
    return sum(os.path.islink(link) and os.readlink(link).startswith("socket:") for link in links)


async def soak(caller: Caller, options: argparse.Namespace) -> list[str]:
    """Make the calls; what went wrong, if anything."""
    rng = random.Random(options.seed)
    numbers = iter(range(options.calls))
    sockets, tasks = open_sockets(), len(asyncio.all_tasks())
    samples: list[float] = []

    async def work() -> None:
        for number in numbers:
            await caller.call(number, rng, options.faults)
            if number % max(options.calls // 20, 1) == 0:
                gc.collect()
                samples.append(resident_mib())
                print(f"{number:>7,} calls  {samples[-1]:7.1f} MiB  {open_sockets():>4} sockets", flush=True)

    await asyncio.gather(*(work() for _ in range(options.concurrency)))
    await caller.aclose()
    await asyncio.sleep(0.5)
    gc.collect()
    samples.append(resident_mib())
    warm = samples[int(len(samples) * WARM_UP)]
    growth = samples[-1] / warm - 1
    print(f"memory after the warm-up {warm:.1f} MiB, at the end {samples[-1]:.1f} MiB ({growth:+.1%})")
    faults = []
    if growth > LARGEST_GROWTH:
        faults.append(f"memory grew by {growth:.1%}")
    if open_sockets() > sockets:
        faults.append(f"{open_sockets() - sockets} sockets are left")
    if len(asyncio.all_tasks()) > tasks:
        faults.append(f"{len(asyncio.all_tasks()) - tasks} tasks are left")
    return faults


def differences(tally: Tally, books: dict[str, int]) -> list[str]:
    """Where the callers' figures and the sandbox's ledger disagree."""
    faults = []
    if (tally.answered, tally.micro) != (books["whole"], books["whole_micro"]):
        faults.append(f"we counted {tally.micro} microcredits, the ledger has {books['whole_micro']}")
    failed = sum(tally.errors[name] for name in BROKEN)
    if books["broken"] > failed:
        faults.append(f"{books['broken']} broken answers were charged, {failed} were seen")
    return faults


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--faults", type=float, default=0.1, help="share of calls with a fault")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore", LangChainBetaWarning)
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    caller = Caller(*ours.recv())
    start = time.perf_counter()
    faults = asyncio.run(soak(caller, options))
    ours.send("books")
    books = ours.recv()
    ours.send("end")
    server.join(30)
    tally = caller.tally
    print(f"{options.calls:,} calls in {time.perf_counter() - start:.0f} s, {books['requests']:,} requests")
    print(f"answered {tally.answered:,}, abandoned {tally.abandoned:,}, errors {dict(tally.errors)}")
    print(f"microcredits: ours {tally.micro:,}, the ledger's {books['whole_micro']:,}")
    faults += differences(tally, books)
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
