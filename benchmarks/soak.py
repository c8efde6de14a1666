"""A soak run, by hand: many mixed calls at once, some of them disturbed, and nothing may be left behind.

    python -m benchmarks.soak                # 20,000 calls, 200 at a time, 10 % with a fault
    python -m benchmarks.soak --calls 2000   # a short one

Calls are also cancelled, left, dropped for the collector and made in forked children, under observers
that raise, with a budget and a ledger in SQLite. The sandbox runs in a process of its own, so that the memory measured
is the client's. Exit code 1 if memory grows by more than 5 % after the warm-up, if a socket or task is left,
or if the books disagree (see ``soak_books``).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from langchain_core._api import LangChainBetaWarning

from aivideoapi_core import CallRecord, CreditBudget, SpendLedger, Standing
from benchmarks.soak_books import Charge, Tally, differences
from benchmarks.soak_calls import Caller
from benchmarks.soak_server import serve

WARM_UP: Final = 0.3
LARGEST_GROWTH: Final = 0.05


def resident_mib() -> float:
    """Memory of this process, in MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_sockets() -> int:
    """Sockets of this process; what another thread closes while they are counted is none."""
    count = 0
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")
    return count


async def soak(caller: Caller, options: argparse.Namespace) -> list[str]:
    """Make the calls; what went wrong, if anything."""
    rng = random.Random(options.seed)
    numbers = iter(range(options.calls))
    sockets, tasks = open_sockets(), len(asyncio.all_tasks())
    samples: list[float] = []
    gc.collect()
    gc.freeze()  # what was imported is not walked again for each sample

    async def work() -> None:
        for number in numbers:
            await caller.call(number, rng, options.faults)
            if options.forks and number % max(options.calls // options.forks, 1) == 1:
                await caller.call_in_child(number)
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


def report(tally: Tally, rows: Sequence[CallRecord], standing: Standing, charges: Sequence[Charge]) -> None:
    """The sums, for people."""
    outcomes = {
        name: sum(row.outcome == name for row in rows) for name in sorted({row.outcome for row in rows})
    }
    print(f"seen by the callers: {len(tally.seen):,} answers; without one: {dict(tally.ended)}")
    print(f"rows of the ledger: {outcomes}")
    ours = sum(row.credits_micro or 0 for row in rows)
    theirs = sum(charge.micro for charge in charges)
    print(f"microcredits: known to us {ours:,}, charged {theirs:,}, the budget's {standing.spent_micro:,}")
    print(f"charged though not sent to the end: {sum(not charge.whole for charge in charges):,} answers")


def run(options: argparse.Namespace, folder: Path) -> list[str]:
    """Make the calls with books in ``folder``; what went wrong, if anything."""
    warnings.simplefilter("ignore", LangChainBetaWarning)
    warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
    logging.getLogger("aivideoapi").setLevel(logging.CRITICAL)  # the observers raise by the hundred
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        url, key = ours.recv()
        budget, ledger = (
            CreditBudget(10**9, store=folder / "budget.sqlite"),
            SpendLedger(folder / "ledger.sqlite"),
        )
        caller = Caller(url, key, budget=budget, ledger=ledger)
        start = time.perf_counter()
        faults = asyncio.run(soak(caller, options))
        print(f"{options.calls:,} calls in {time.perf_counter() - start:.0f} s")
        ours.send("books")
        charges, standing, rows = ours.recv(), budget.standing(), list(ledger.records())
        ours.send("end")
        report(caller.tally, rows, standing, charges)
        ledger.close()
        budget.close()
        return faults + differences(caller.tally, rows, standing, charges)
    finally:
        ours.close()
        server.join(30)


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--faults", type=float, default=0.1, help="share of calls with a fault")
    parser.add_argument("--forks", type=int, default=20, help="calls that are made in a forked child")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main() -> int:
    """Run it; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        faults = run(options_of(), Path(folder))
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
