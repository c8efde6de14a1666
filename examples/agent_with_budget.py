"""An agent with two tools that works through a list of questions until its budget says no.

python examples/agent_with_budget.py [credits]
"""

from __future__ import annotations

import sys

from _connect import connect
from langchain.agents import create_agent

from aivideoapi_core import BudgetExceededError, CreditBudget
from langchain_aivideoapi import ChatAIVideoAPI, get_credits_callback

PRICES = {"lamp": 39.0, "desk": 249.0, "chair": 119.0}
QUESTIONS = (
    "Use price_of with product=lamp.",
    "Use convert with amount=249 and rate=1.08. How much is it?",
    "Use price_of with product=chair.",
    "Use convert with amount=119 and rate=1.08. How much is it?",
)


def price_of(product: str) -> str:
    """The price of a product, in euros."""
    price = PRICES.get(product.lower())
    return (
        f"{price:.2f} euros"
        if price is not None
        else f"there is no {product!r}; there are {', '.join(PRICES)}"
    )


def convert(amount: float, rate: float) -> float:
    """Convert an amount of money at an exchange rate."""
    return round(amount * rate, 2)


def main(limit_credits: str) -> None:
    connect()
    budget = CreditBudget(limit_credits)
    # The smaller the longest possible answer, the further a budget reaches: the worst case is reserved.
    model = ChatAIVideoAPI(model="claude-sonnet-4-6", max_tokens=400, budget=budget)
    agent = create_agent(
        model, tools=[price_of, convert], system_prompt="You work in a furniture shop. Be brief."
    )
    with get_credits_callback() as bill:
        for question in QUESTIONS:
            try:
                state = agent.invoke({"messages": [("user", question)]})
            except BudgetExceededError as error:
                print(f"Q: {question}\nstopped: {error}\n")
                break
            print(f"Q: {question}\nA: {state['messages'][-1].text}\n")
    print(bill.summary)
    standing = budget.standing()
    print(f"\nbudget: {standing.spent_micro / 1e6:.6f} of {standing.limit_micro / 1e6:.2f} credits spent")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "1.4")
