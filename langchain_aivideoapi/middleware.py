"""Prompt caching for agents: ``create_agent(model, middleware=[AIVideoAPIPromptCachingMiddleware()])``.

Needs the ``langchain`` package; nothing else of ours imports it.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, cast

from langchain.agents.middleware.types import AgentMiddleware, ModelCallResult, ModelRequest, ModelResponse
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool

from aivideoapi_core import Route, UnsupportedOptionError, route_of
from aivideoapi_core.adapter_kit import with_known_arguments
from langchain_aivideoapi._errors import as_langchain
from langchain_aivideoapi.chat_models import ChatAIVideoAPI

TTL = Literal["5m", "1h"]
UnsupportedModelBehavior = Literal["ignore", "warn", "raise"]

_OPTION: Final = "cache_prompt"
"""The call's option that places the breakpoints, once the request is in the wire's form."""

_FIELDS: Final = ("system_message", "messages", "tools", "model_settings")
"""What may carry a breakpoint."""


class AIVideoAPIPromptCachingMiddleware(AgentMiddleware[Any, Any, Any]):
    """Caches the prompt of an agent: breakpoints on the system prompt, the tools and the last message.

    Cache prices exist on the direct-forward route only (model ids ending in ``/anthropic``); for any
    other model the request goes out without breakpoints and ``unsupported_model_behavior`` says how
    loudly. Breakpoints that you set yourself stay and count towards the wire's limit of four.

    Works before and after ``ModelFallbackMiddleware`` in the list: a fallback to another
    direct-forward model keeps the breakpoints, a fallback to the native route or to another
    provider goes without. Your messages, tools and settings are never changed.

    Args:
        ttl: How long the cache lives: ``5m``, or ``1h`` at a higher write price. Where your own
            breakpoints force it (a longer life must come first), the other one is used.
        min_messages_to_cache: Cache only from this many messages on, the system prompt included.
        unsupported_model_behavior: ``warn``, ``ignore`` or ``raise`` for a model without prompt caching.
            A fallback that changes to such a model in mid-call never raises, since that would defeat it.
    """

    @with_known_arguments
    def __init__(
        self,
        *,
        ttl: TTL = "5m",
        min_messages_to_cache: int = 0,
        unsupported_model_behavior: UnsupportedModelBehavior = "warn",
    ) -> None:
        super().__init__()
        if ttl not in ("5m", "1h"):
            raise ValueError(f"ttl must be '5m' or '1h', not {ttl!r}")
        if type(min_messages_to_cache) is not int:
            raise ValueError(f"min_messages_to_cache must be a whole number, not {min_messages_to_cache!r}")
        if unsupported_model_behavior not in ("ignore", "warn", "raise"):
            raise ValueError(
                f"unsupported_model_behavior must be 'ignore', 'warn' or 'raise', not {unsupported_model_behavior!r}"
            )
        self.ttl: TTL = ttl
        self.min_messages_to_cache = min_messages_to_cache
        self.unsupported_model_behavior: UnsupportedModelBehavior = unsupported_model_behavior

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Send the request with breakpoints, if its model takes them."""
        return handler(self._prepared(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelCallResult[Any]:
        """Send the request with breakpoints, if its model takes them."""
        return await handler(self._prepared(request))

    def _prepared(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """The request to hand on. Raises only if asked to, for a model without prompt caching."""
        count = len(request.messages) + (request.system_message is not None)
        if count < self.min_messages_to_cache:
            return request
        if not _takes_breakpoints(request) and self.unsupported_model_behavior == "raise":
            raise as_langchain(UnsupportedOptionError(_advice(request)))
        return self.fitted(request)

    def fitted(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """``request`` with breakpoints, or without and with a warning, ready for a change of model."""
        settings = request.model_settings
        if _takes_breakpoints(request):
            settings = {**settings, _OPTION: self.ttl}
        elif self.unsupported_model_behavior != "ignore":
            warnings.warn(_advice(request), stacklevel=4)
        following = _FollowingRequest(**{**_arguments(request), "model_settings": settings})
        return following._remember(self, {name: getattr(following, name) for name in _FIELDS})


class _FollowingRequest(ModelRequest[Any]):
    """A request whose caching follows its model.

    Middleware that comes later may change the model (a fallback, a router), and LangChain's fallback
    first removes every ``cache_control`` for providers that it does not know, the caller's own
    included. So the request remembers its fields as they were with breakpoints.
    """

    _middleware: AIVideoAPIPromptCachingMiddleware
    _with_marks: Mapping[str, Any]

    def _remember(
        self, middleware: AIVideoAPIPromptCachingMiddleware, with_marks: Mapping[str, Any]
    ) -> _FollowingRequest:
        # ModelRequest warns on plain assignment.
        object.__setattr__(self, "_middleware", middleware)
        object.__setattr__(self, "_with_marks", with_marks)
        return self

    def override(self, **overrides: Any) -> ModelRequest[Any]:
        """As ``ModelRequest.override``; for another model the breakpoints are placed anew."""
        changed = cast("_FollowingRequest", super().override(**overrides))
        with_marks = {name: self._kept(name, getattr(changed, name)) for name in _FIELDS}
        if _target(changed) == _target(self):
            return changed._remember(self._middleware, with_marks)
        arguments = {**_arguments(changed), **(with_marks if _takes_breakpoints(changed) else {})}
        settings = {name: value for name, value in arguments["model_settings"].items() if name != _OPTION}
        return self._middleware.fitted(ModelRequest(**{**arguments, "model_settings": settings}))

    def _kept(self, name: str, value: Any) -> Any:
        """``value`` of a field, or as it was if only breakpoints were taken from it."""
        before = self._with_marks[name]
        if value is getattr(self, name):
            return before
        return before if _bare(value) == _bare(before) else value


def _arguments(request: ModelRequest[Any]) -> dict[str, Any]:
    """What to make the same request from."""
    names = (*_FIELDS, "model", "tool_choice", "response_format", "state", "runtime")
    return {name: getattr(request, name) for name in names}


def _target(request: ModelRequest[Any]) -> tuple[int, Any]:
    """Which model a request goes to: the object, and the id that the settings may name instead."""
    return id(request.model), request.model_settings.get("model")


def _takes_breakpoints(request: ModelRequest[Any]) -> bool:
    """Whether the request goes to the direct-forward route."""
    if not isinstance(request.model, ChatAIVideoAPI):
        return False
    return route_of(request.model_settings.get("model") or request.model.model) is Route.DIRECT


def _advice(request: ModelRequest[Any]) -> str:
    if not isinstance(request.model, ChatAIVideoAPI):
        who = f"a {type(request.model).__name__} is not ChatAIVideoAPI"
        fix = "use ChatAIVideoAPI with a model id that ends in '/anthropic'"
    else:
        model = request.model_settings.get("model") or request.model.model
        who = f"{model!r} is served by the native route, which has no prompt caching"
        fix = f"use the direct-forward route, model={model + '/anthropic'!r}"
    return f"no prompt caching: {who}; {fix}, or set unsupported_model_behavior='ignore'"


def _bare(value: Any) -> Any:
    """A field without any breakpoint, to see whether anything else about it changed."""
    match value:
        case Mapping():
            kept = {key: _bare(item) for key, item in value.items() if key != "cache_control"}
            return {key: item for key, item in kept.items() if not (key == "extras" and not item)}
        case list():
            return [_bare(item) for item in value]
        case BaseMessage():
            return value.model_copy(update={"content": _bare(value.content)})
        case BaseTool() if value.extras:
            return value.model_copy(update={"extras": _bare(value.extras) or None})
        case _:
            return value
