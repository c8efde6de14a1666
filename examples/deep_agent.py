"""deepagents with a model by name: planning, files and tools, with prompt caching where the route has it.

python examples/deep_agent.py
"""

from __future__ import annotations

from _connect import connect
from deepagents import create_deep_agent

from langchain_aivideoapi import get_credits_callback

STOCK = {"lamp": 12, "desk": 0, "chair": 4}


def stock_of(product: str) -> str:
    """How many pieces of a product are in stock."""
    return f"{STOCK.get(product.lower().removeprefix('the '), 'no such product')} in stock"


def main() -> None:
    connect()
    # The package's entry points tell deepagents about "aivideoapi:"; there is nothing to register.
    agent = create_deep_agent(
        model="aivideoapi:claude-sonnet-4-6/anthropic",
        tools=[stock_of],
        system_prompt="You look after the stock of a furniture shop.",
    )
    with get_credits_callback() as bill:
        state = agent.invoke({"messages": [("user", "Use stock_of with product=chair.")]})
    for message in state["messages"]:
        calls = ", ".join(f"{call['name']}({call['args']})" for call in getattr(message, "tool_calls", ()))
        print(f"{message.type:>5}: {message.text}{calls and ' -> ' + calls}")
    tokens = bill.summary.tokens
    print(f"\n{bill.summary}")
    print(
        f"\n{tokens.cache_write} tokens were written to the prompt cache and {tokens.cache_read} read from it"
    )


if __name__ == "__main__":
    main()
