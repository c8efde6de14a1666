"""How much of a limit is used when many calls come at once: ``python -m benchmarks.limit``.

So many calls at once (200) under a limit that pays for some of them (37), with each way in which a budget
meets a tight room. Each call has a prompt of English text, a ``max_tokens`` of four times its answer, and
takes about 0.2 seconds, against a sandbox in this process. Printed: calls answered, and the share of
the limit that was spent. The first calls of ``observed`` are before, on a budget of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from decimal import Decimal
from typing import Any, Final

from aivideoapi_core import (
    AsyncMessagesClient,
    BudgetExceededError,
    CreditBudget,
    build_payload,
    prices_of,
    worst_case,
)
from aivideoapi_core.sandbox import Reply, Sandbox

MODEL: Final = "claude-haiku-4-5/anthropic"
TEXT: Final = "All happy families are alike; each unhappy family is unhappy in its own way. " * 40
OUTPUT: Final = 250
BODY: Final = build_payload(MODEL, [{"role": "user", "content": TEXT}], stream=True, max_tokens=4 * OUTPUT)
INPUT: Final = len(TEXT) // 4
WAYS: Final[dict[str, dict[str, Any]]] = {
    "refusing at once": {"wait_s": 0},
    "waiting": {"wait_s": 120},
    "waiting, shrink": {"wait_s": 120, "when_tight": "shrink", "min_max_tokens": OUTPUT},
    "waiting, shrink, observed": {
        "wait_s": 120,
        "when_tight": "shrink",
        "min_max_tokens": OUTPUT,
        "bound": "observed",
    },
}


async def calls(sandbox: Sandbox, budget: CreditBudget, count: int) -> int:
    """Make ``count`` calls at once; how many were answered."""
    async with AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget) as client:

        async def one() -> bool:
            try:
                async with client.stream(BODY) as stream:
                    async for _ in stream:
                        pass
            except BudgetExceededError:
                return False
            return True

        return sum(await asyncio.gather(*(one() for _ in range(count))))


def main() -> None:
    """Print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--limit", type=int, default=37, help="how many calls the limit pays for")
    arguments = parser.parse_args()
    prices = prices_of(MODEL)
    if prices is None:
        raise SystemExit(f"{MODEL} has no prices")
    one = INPUT * prices.input + OUTPUT * prices.output
    print(f"a call costs {one:,} microcredits, its worst case is {worst_case(BODY, prices).micro:,}")
    reply = Reply("So it is.", usage={"input_tokens": INPUT, "output_tokens": OUTPUT}, pause_s=0.02)
    for name, options in WAYS.items():
        with Sandbox(balance_credits=10**6) as sandbox:
            sandbox.enqueue(*[reply] * (arguments.calls + 10))
            budget = CreditBudget(Decimal(one * arguments.limit).scaleb(-6), **options)
            if options.get("bound") == "observed":
                for _ in range(5):
                    budget.observe(MODEL, worst_case(BODY, prices), INPUT)
            began = time.perf_counter()
            answered = asyncio.run(calls(sandbox, budget, arguments.calls))
            standing = budget.standing()
            print(
                f"{name:28} {answered:4} answered  {standing.spent_micro / standing.limit_micro:6.1%} of the limit"
                f"  {time.perf_counter() - began:5.1f} s"
            )


if __name__ == "__main__":
    main()
