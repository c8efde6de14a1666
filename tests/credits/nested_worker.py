"""One of several processes that spend from the same three budgets at once; run by test_nested_budgets.py.

Says on its last line what it has spent on each of them, in microcredits.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys

from aivideoapi_core import BudgetExceededError, CreditBudget, JointBudget, WorstCase


async def work(*, store: str, number: int, calls: int, limits: dict[str, int]) -> dict[str, int]:
    """Make ``calls`` calls, some at once, of a budget order that differs from process to process."""
    chance = random.Random(number)
    budgets = {
        name: CreditBudget(limit / 1e6, store=store, name=name, wait_s=60) for name, limit in limits.items()
    }
    spent = dict.fromkeys(limits, 0)

    async def one() -> None:
        names = [chance.choice(["user-a", "user-b"]), "team", "company"]
        chance.shuffle(names)
        joint = JointBudget([budgets[name] for name in names])
        worst, cost = chance.randint(50, 100), chance.randint(1, 50)
        try:
            held = await joint.ahold("m", WorstCase(input=1, output=1, micro=worst))
        except BudgetExceededError:
            return
        await asyncio.sleep(chance.random() / 100)
        if not joint.settle_at_once(held, cost):
            await asyncio.to_thread(joint.settle, held, cost)
        for name in names:
            spent[name] += cost

    for _ in range(calls // 4):
        await asyncio.gather(*(one() for _ in range(4)))
    for budget in budgets.values():
        budget.close()
    return spent


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(**json.loads(sys.argv[1])))))
