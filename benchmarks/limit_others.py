"""The experiment of ``benchmarks.limit`` with limits of others: ``python -m benchmarks.limit_others``.

So many calls at once (200) under a limit that pays for some of them (37), the same prompt and answers, against the same sandbox:
litellm's ``max_budget`` (in US dollars, checked before each call) and pydantic-ai's ``UsageLimits`` with one usage that all runs
share (in tokens). Printed: calls answered, and the share of the limit that was spent by the sandbox's own count. Needs
``litellm`` and ``pydantic-ai-slim[anthropic]``, which are no dependencies: what is not installed is left out, with words.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import importlib.util
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aivideoapi_core.sandbox import Reply, Sandbox
from benchmarks.limit import INPUT, MODEL, OUTPUT, TEXT

USD_PER_TOKEN: Final = 1e-6
"""Any price will do: the same for input and output."""


async def _answered(call: Callable[[], Awaitable[Any]], count: int, refusal: type[Exception]) -> int:
    async def one() -> bool:
        try:
            await call()
        except refusal:
            return False
        return True

    return sum(await asyncio.gather(*(one() for _ in range(count))))


def litellm_calls(sandbox: Sandbox, *, count: int, limit: int) -> int:
    """litellm, whose limit is one of the process."""
    import litellm

    name = f"anthropic/{MODEL}"
    price = {
        "input_cost_per_token": USD_PER_TOKEN,
        "output_cost_per_token": USD_PER_TOKEN,
        "litellm_provider": "anthropic",
        "mode": "chat",
    }
    litellm.register_model({name: price, MODEL: price})
    litellm.max_budget = (INPUT + OUTPUT) * limit * USD_PER_TOKEN

    async def call() -> None:
        await litellm.acompletion(
            model=name,
            messages=[{"role": "user", "content": TEXT}],
            max_tokens=4 * OUTPUT,
            api_base=sandbox.url.removesuffix("/v1"),
            api_key=sandbox.api_key,
            extra_headers={"Authorization": f"Bearer {sandbox.api_key}"},
            num_retries=0,
        )

    return asyncio.run(_answered(call, count, litellm.BudgetExceededError))


def pydantic_ai_calls(sandbox: Sandbox, *, count: int, limit: int) -> int:
    """pydantic-ai, with one usage for all runs."""
    from anthropic import AsyncAnthropic
    from pydantic_ai import Agent, RunUsage, UsageLimitExceeded, UsageLimits
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    async def all_calls() -> int:
        client = AsyncAnthropic(
            auth_token=sandbox.api_key, base_url=sandbox.url.removesuffix("/v1"), max_retries=0
        )
        model = AnthropicModel(MODEL, provider=AnthropicProvider(anthropic_client=client))
        agent = Agent(model, model_settings={"max_tokens": 4 * OUTPUT})
        usage, limits = (
            RunUsage(),
            UsageLimits(request_limit=None, total_tokens_limit=(INPUT + OUTPUT) * limit),
        )
        return await _answered(
            lambda: agent.run(TEXT, usage=usage, usage_limits=limits), count, UsageLimitExceeded
        )

    return asyncio.run(all_calls())


OTHERS: Final = {"litellm": litellm_calls, "pydantic_ai": pydantic_ai_calls}
_PACKAGES: Final = {"litellm": "litellm", "pydantic_ai": "pydantic-ai-slim"}


def main() -> None:
    """Print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--limit", type=int, default=37, help="how many calls the limit pays for")
    arguments = parser.parse_args()
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # no look-up on the network
    reply = Reply("So it is.", usage={"input_tokens": INPUT, "output_tokens": OUTPUT}, pause_s=0.02)
    for module, calls in OTHERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{module:28} is not installed here: pip install {_PACKAGES[module]}")
            continue
        with Sandbox(balance_credits=10**6) as sandbox:
            sandbox.enqueue(*[reply] * (arguments.calls + 10))
            told = calls(sandbox, count=arguments.calls, limit=arguments.limit)
            paid = len(sandbox.requests)
            version = importlib.metadata.version(_PACKAGES[module])
            print(
                f"{module + ' ' + version:28} {told:4} answered  {paid / arguments.limit:7.1%} of the limit"
                f"  ({paid} calls were paid for)"
            )


if __name__ == "__main__":
    main()
