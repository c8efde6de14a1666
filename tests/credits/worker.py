"""One of several processes that spend from a shared budget; driven through its pipes by test_processes.py.

Opens as many streams as the budget allows, says so, and reads them to their end when told to.
"""

from __future__ import annotations

import asyncio
import json
import sys

from aivideoapi_core import AsyncMessagesClient, BudgetExceededError, CreditBudget, SpendLedger, build_payload


async def work(*, url: str, key: str, budget: CreditBudget, ledger: SpendLedger, calls: int) -> None:
    """Say how many streams are open, wait for a line on standard input, finish them."""
    body = build_payload(
        "claude-haiku-4-5/anthropic", [{"role": "user", "content": "Hi"}], stream=True, max_tokens=100
    )
    go_on = asyncio.Event()
    outcomes: list[str] = []
    tried = asyncio.Semaphore(0)

    async with AsyncMessagesClient(api_key=key, base_url=url, budget=budget, ledger=ledger) as client:

        async def one() -> None:
            try:
                async with client.stream(body) as stream:
                    outcomes.append("open")
                    tried.release()
                    await go_on.wait()
                    async for _ in stream:
                        pass
            except BudgetExceededError:
                outcomes.append("refused")
                tried.release()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(calls):
                tasks.create_task(one())
            for _ in range(calls):
                await tried.acquire()
            print(json.dumps({name: outcomes.count(name) for name in ("open", "refused")}), flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            go_on.set()


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    asyncio.run(
        work(
            url=order["url"],
            key=order["key"],
            budget=CreditBudget(order["limit"], store=order["store"], lease_s=order["lease_s"], wait_s=0),
            ledger=SpendLedger(order["ledger"]),
            calls=order["calls"],
        )
    )
