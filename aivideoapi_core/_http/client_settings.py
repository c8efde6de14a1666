"""``ClientSettings``: what can be asked of a client of either colour, which it was made with."""

from __future__ import annotations

from typing import Any, Final

from pydantic import SecretStr

from aivideoapi_core._errors import UnsupportedOptionError
from aivideoapi_core._http.exchange import Exchange
from aivideoapi_core._http.pools import Timeout
from aivideoapi_core._http.retry import RetryPolicy

_NAMES: Final = frozenset(Exchange.__init__.__kwdefaults__ or ())
_ADVICE: Final = {
    "max_retries": "use retry=RetryPolicy(max_retries=...)",
    "max_retry_wait_s": "use retry=RetryPolicy(longest_wait_s=...)",
    "http_async_client": "use http_client=",
    "spend_tags": "use tags=",
}


class ClientSettings:
    """Where a client sends, with which key, and how patiently. The base of both clients; it neither sends nor waits."""

    _exchange: Exchange

    def _made_with(self, api_key: str | SecretStr | None, settings: dict[str, Any]) -> Exchange:
        """What the client asks through. Raises ``InvalidInputError``, also for a name that no client knows."""
        if unknown := sorted(settings.keys() - _NAMES):
            from aivideoapi_core._outbound.names import advice_for_name  # only for those who mistype

            advice = _ADVICE.get(unknown[0]) or advice_for_name(unknown[0], {*_NAMES, "http_client"})
            raise UnsupportedOptionError(
                f"{unknown[0]!r} is not an argument of {type(self).__name__}: {advice}"
            )
        return Exchange(api_key=api_key, **settings)

    @property
    def base_url(self) -> str:
        """Where the platform is: scheme, host and path, without ``/v1``."""
        return self._exchange.base_url

    @property
    def api_key(self) -> SecretStr:
        """The key that every request carries."""
        return self._exchange.api_key

    @property
    def retry(self) -> RetryPolicy:
        """When a failed request is made again."""
        return self._exchange.retry

    @property
    def timeout(self) -> Timeout:
        """Seconds, or an ``httpx.Timeout``, of every call that has none of its own."""
        return self._exchange.timeout

    def __repr__(self) -> str:
        exchange = vars(self).get("_exchange")  # a traceback may show a client whose construction failed
        return f"{type(self).__name__}({'' if exchange is None else f'base_url={exchange.base_url!r}'})"
