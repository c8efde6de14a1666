"""Who watches httpx's clients sees our calls, and a caller's ``auth=`` takes nothing from our key."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx
import pytest
from core_kit import payload

from aivideoapi_core import AsyncMessagesClient, AuthenticationError, MessagesClient
from aivideoapi_core.sandbox import Sandbox


class _Gateway(httpx.Auth):
    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = "Basic theirs"
        request.headers["x-gateway"] = "pass"
        yield request


@pytest.mark.parametrize("auth", [("user", "password"), _Gateway(), httpx.DigestAuth("user", "password")])
async def test_auth_of_the_callers_client(sandbox: Sandbox, auth: Any) -> None:
    settings: dict[str, Any] = {"api_key": sandbox.api_key, "base_url": sandbox.url}
    with httpx.Client(auth=auth) as http:
        MessagesClient(http_client=http, **settings).create(payload())
    async with httpx.AsyncClient(auth=auth) as http_async:
        await AsyncMessagesClient(http_client=http_async, **settings).create(payload())
    # The sandbox has checked the key, and keeps its stars.
    assert [request.headers["authorization"] for request in sandbox.requests] == ["Bearer ***"] * 2
    if isinstance(auth, _Gateway):
        assert all(request.headers["x-gateway"] == "pass" for request in sandbox.requests)


async def test_watched_late(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of watching, begun after the first call, and ended again."""
    seen: list[str] = []
    settings: dict[str, Any] = {"api_key": sandbox.api_key, "base_url": sandbox.url}
    with MessagesClient(**settings) as client:
        async with AsyncMessagesClient(**settings) as async_client:
            client.create(payload())
            await async_client.create(payload())
            with monkeypatch.context() as patch:
                for owner, name in (
                    (httpx.Client, "send"),
                    (httpx.AsyncClient, "send"),
                    (httpx.HTTPTransport, "handle_request"),
                    (httpx.AsyncHTTPTransport, "handle_async_request"),
                ):
                    usual = getattr(owner, name)

                    def watching(
                        self: Any,
                        request: Any,
                        *,
                        _usual: Any = usual,
                        _name: str = f"{owner.__name__}",
                        **options: Any,
                    ) -> Any:
                        seen.append(_name)
                        return _usual(self, request, **options)

                    patch.setattr(owner, name, watching)
                client.create(payload())
                with client.stream(payload(stream=True)) as stream:
                    assert list(stream)
                await async_client.create(payload())
            client.create(payload())
    assert seen == ["Client", "HTTPTransport"] * 2 + ["AsyncClient", "AsyncHTTPTransport"]
    # Asynchronous calls may have another engine while nobody watches.
    assert len({request.connection_id for request in sandbox.requests}) <= 3


async def test_a_mock_that_chooses_the_transport(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """respx with ``using="httpx"``: synchronous and asynchronous calls alike."""
    mock = httpx.MockTransport(lambda request: httpx.Response(401, json={"error": {"message": "mocked"}}))
    settings: dict[str, Any] = {"api_key": sandbox.api_key, "base_url": sandbox.url}
    with MessagesClient(**settings) as client:
        async with AsyncMessagesClient(**settings, http_engine="aiohttp") as async_client:
            client.create(payload())
            await async_client.create(payload())
            for owner in (httpx.Client, httpx.AsyncClient):
                monkeypatch.setattr(owner, "_transport_for_url", lambda self, url: mock)
            with pytest.raises(AuthenticationError, match="mocked"):
                client.create(payload())
            with pytest.raises(AuthenticationError, match="mocked"):
                await async_client.create(payload())
    assert len(sandbox.requests) == 2
