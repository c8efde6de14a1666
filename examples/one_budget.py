"""A LangChain agent and a LlamaIndex query engine that spend from one purse, and the bill of both.

python examples/one_budget.py [LEDGER.sqlite]

With a ledger file, `aivideoapi spend --ledger LEDGER.sqlite` shows the same figures later.
"""

from __future__ import annotations

import sys
from pathlib import Path

from _connect import connect
from langchain.agents import create_agent
from llama_index.core.query_engine import RetrieverQueryEngine
from rag_with_citations import HANDBOOK, retriever_over

from aivideoapi_core import BudgetExceededError, CreditBudget, SpendLedger, spend_tags
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI


def main(ledger_file: Path | None) -> None:
    connect()
    budget = CreditBudget(limit_credits=12, window="day")
    ledger = SpendLedger(ledger_file)
    llm = AIVideoAPI(model="claude-haiku-4-5/anthropic", max_tokens=500, budget=budget, ledger=ledger)
    engine = RetrieverQueryEngine.from_args(retriever_over(HANDBOOK), llm=llm)

    def ask_handbook(question: str) -> str:
        """Answer a question from the shop's handbook."""
        with spend_tags("handbook"):
            return str(engine.query(question))

    model = ChatAIVideoAPI(model="claude-sonnet-4-6", max_tokens=500, budget=budget, ledger=ledger)
    agent = create_agent(model, tools=[ask_handbook])
    question = 'Use ask_handbook with question="How much does shipping cost below 50 euros?"'
    with spend_tags("agent"):
        state = agent.invoke({"messages": [("user", question)]})
    print("A:", state["messages"][-1].text, "\n")
    print(ledger.summary)
    standing = budget.standing()
    print(f"\none budget: {standing.spent_micro / 1e6:.6f} of {standing.limit_micro / 1e6:.2f} credits")

    try:
        llm.complete("Tell me everything.", max_tokens=60_000)
    except BudgetExceededError as error:
        print(f"refused before it was sent: {error}")
    ledger.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
