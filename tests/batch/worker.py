"""A process that works through a job until it is killed; driven by test_processes.py."""

from __future__ import annotations

import json
import sys

from aivideoapi_batch import BatchJob, Pace, RedisJournal, prompt_call
from aivideoapi_core import CreditBudget, SpendLedger
from langchain_aivideoapi import ChatAIVideoAPI

order = json.loads(sys.argv[1])
books = order.get("books")
budget = CreditBudget(
    order["limit"],
    store=books or order["folder"] + "/budget.sqlite",
    lease_s=order["lease_s"],
    when_owner_dies="count",
)
model = ChatAIVideoAPI(
    model="claude-haiku-4-5/anthropic",
    max_tokens=50,
    budget=budget,
    ledger=SpendLedger(books or order["folder"] + "/ledger.sqlite"),
)
journal = order.get("journal", order["folder"] + "/out")
if "journal_lease_s" in order and journal.startswith("redis"):
    journal = RedisJournal(journal, name="rows", lease_s=order["journal_lease_s"])
job = BatchJob(
    prompt_call(model, "Say {text}"),
    name="rows",
    journal=journal,
    concurrency=order["concurrency"],
    pace=Pace.shared(order["pace"], name="rows") if "pace" in order else None,
)
rows = [{"id": number, "text": f"Row {number}"} for number in range(order.get("first", 0), order["rows"])]
print(len(job.run(rows, replay=False)))
