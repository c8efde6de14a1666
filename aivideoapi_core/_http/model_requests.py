"""The request of a framework's model, ready for a client, and what its reply is read by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from aivideoapi_core._inbound.changed import Changed, changed_by
from aivideoapi_core._outbound.names import BODY_ONLY
from aivideoapi_core._outbound.output import Asked
from aivideoapi_core._outbound.request import prepare_request, wire_tools_in
from aivideoapi_core._outbound.tools import WireNames
from aivideoapi_core._outbound.turns import Turns, may_prefill

if TYPE_CHECKING:
    from aivideoapi_core._catalogue.prices import ModelPrices
    from aivideoapi_core._http.pools import Timeout
    from aivideoapi_core._metering.budgets import Budgets
    from aivideoapi_core._metering.estimate import CreditsEstimate

_M = TypeVar("_M")
_NO_TOOL: Final = Asked(None)


@dataclass(slots=True, kw_only=True)
class ModelRequest:
    """One call, checked: the body, the headers besides the client's own, and a timeout in seconds.

    ``budget``: of this call, beside the model's own. ``max_tokens_is_default``: neither set it. ``changed``: what
    the reply is read by.
    """

    payload: dict[str, Any]
    headers: dict[str, str] | None
    timeout: Timeout
    budget: Budgets
    max_tokens_is_default: bool
    changed: Changed

    @classmethod
    def prepared(
        cls,
        options: dict[str, Any],
        messages: Sequence[_M],
        *,
        turns: Callable[..., Turns],
        noted: Callable[[_M], Mapping[str, Any] | None],
        stream: bool,
        forced: Mapping[str, Any] | None = None,
        output: Asked | None = None,
        **own: Any,
    ) -> Self:
        """The request with these options, which are taken apart; see ``prepare_request``, which says what is raised.

        ``turns`` makes those of the framework's messages, given ``prefill`` and ``names``. ``noted``: what is noted of a
        reply among them, and ``None`` for what is none. ``forced``: the choice that the messages
        ask for in words. ``output``: how JSON was asked for, ``None`` if it was not. ``own``: the framework's fields.
        """
        timeout, budget = options.pop("timeout", None), options.pop("budget", None)
        is_last_try = options.pop("is_last_try", False)
        if not BODY_ONLY.isdisjoint(options):
            fields = {name: options.pop(name) for name in BODY_ONLY & options.keys()}
            options["extra_body"] = {**(options.get("extra_body") or {}), **fields}
        prefill = may_prefill(options["model"], options.get("thinking"))
        names = wire_tools_in(options)
        conversation = turns(messages, prefill=prefill, names=WireNames(names, options.get("tools") or ()))
        if conversation.names is not None:
            names = {**(names or {}), **conversation.names}
        payload, headers, choice, max_tokens_is_default = prepare_request(
            conversation, options, stream=stream, replies=map(noted, reversed(messages))
        )
        output_tool, is_wrapped = output or _NO_TOOL
        changed = changed_by(
            payload,
            choice=forced or choice,
            names=names,
            replies=map(noted, reversed(messages)),
            is_last_try=is_last_try,
            output_tool=output_tool,
            is_json=output is not None,
            is_wrapped=is_wrapped,
        )
        return cls(
            payload=payload,
            headers=headers,
            timeout=timeout,
            budget=budget,
            max_tokens_is_default=max_tokens_is_default,
            changed=changed,
            **own,
        )

    def estimate(self, prices: Mapping[str, ModelPrices] | None) -> CreditsEstimate:
        """What the call will cost; ``prices`` by model id, in place of the published ones."""
        from aivideoapi_core._metering.estimate import estimate_credits

        return estimate_credits(self.payload, prices=(prices or {}).get(self.payload["model"]))

    def sent(self, **known: Any) -> dict[str, Any]:
        """The arguments of the clients; ``known`` is what the framework knows of the call besides."""
        return {
            "payload": self.payload,
            "headers": self.headers,
            "timeout": self.timeout,
            "budget": self.budget,
            "max_tokens_is_default": self.max_tokens_is_default,
            **known,
        }
