"""The two clients of a framework's model, one for each colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aivideoapi_core._http.async_client import AsyncMessagesClient
    from aivideoapi_core._http.client import MessagesClient

_AS_THEY_ARE: Final = ("api_key", "base_url", "default_headers", "allow_http", "budget", "ledger", "prices")
CLIENT_FIELDS: Final = frozenset(
    {
        *_AS_THEY_ARE,
        *("timeout", "max_retries", "max_retry_wait_s", "http_client", "http_async_client", "spend_tags"),
    }
)
"""What clients are made with: a change to one of these fields makes new ones."""


class ModelClients:
    """A model's clients, each made at first use. They never travel: copies and pickles of this are empty.

    They are no part of the model's value either: any two are equal.
    """

    __hash__ = None  # type: ignore[assignment]  # as for everything that compares by value

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def blocking(self, http_client: Any, settings: Callable[[], Mapping[str, Any]]) -> MessagesClient:
        """The client of the synchronous calls."""
        client: MessagesClient | None = self._made.get("sync")
        if client is None:
            from aivideoapi_core._http.client import MessagesClient

            made = MessagesClient(http_client=http_client, **settings())
            client = self._made.setdefault("sync", made)  # atomic: threads agree on one
        return client

    def awaiting(self, http_client: Any, settings: Callable[[], Mapping[str, Any]]) -> AsyncMessagesClient:
        """The client of the asynchronous calls."""
        client: AsyncMessagesClient | None = self._made.get("async")
        if client is None:
            from aivideoapi_core._http.async_client import AsyncMessagesClient

            made = AsyncMessagesClient(http_client=http_client, **settings())
            client = self._made.setdefault("async", made)
        return client

    def close(self) -> None:
        """Close the connections of synchronous calls, if there were any. A later call opens new ones."""
        if (client := self._made.get("sync")) is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, if there were any. A later call opens new ones."""
        if (client := self._made.get("async")) is not None:
            await client.aclose()

    def __len__(self) -> int:
        return len(self._made)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelClients)

    def __reduce__(self) -> tuple[type[ModelClients], tuple[()]]:
        return ModelClients, ()  # for copy, deepcopy and pickle


def client_settings(model: Any, **own: Any) -> dict[str, Any]:
    """What both clients of a framework's model are made with: its fields, and what is the framework's ``own``."""
    from aivideoapi_core._http.retry import RetryPolicy

    return {
        **{name: getattr(model, name) for name in _AS_THEY_ARE},
        **({} if model.timeout is None else {"timeout": model.timeout}),
        "retry": RetryPolicy(max_retries=model.max_retries, longest_wait_s=model.max_retry_wait_s),
        **own,
    }
