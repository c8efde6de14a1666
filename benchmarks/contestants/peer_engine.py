"""The peers on their best engine: ``anthropic[aiohttp]``'s own client, for which neither has an argument."""

from __future__ import annotations

from typing import Any

from benchmarks.contestants import KEY


def aiohttp_client(base_url: str) -> Any:
    """The official asynchronous client over aiohttp."""
    import anthropic

    return anthropic.AsyncAnthropic(
        api_key=KEY, base_url=base_url, http_client=anthropic.DefaultAioHttpClient()
    )


def put_into_langchain(chat: Any, base_url: str) -> None:
    """Have ``chat``, a ``ChatAnthropic``, make its asynchronous calls over aiohttp."""
    vars(chat)["_async_client"] = aiohttp_client(base_url)


def put_into_llamaindex(llm: Any, base_url: str) -> None:
    """Have ``llm``, LlamaIndex's ``Anthropic``, make its asynchronous calls over aiohttp."""
    llm._aclient = aiohttp_client(base_url)
