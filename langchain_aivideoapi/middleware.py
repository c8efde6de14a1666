"""Prompt caching for agents: ``create_agent(model, middleware=[AIVideoAPIPromptCachingMiddleware()])``.

Needs the ``langchain`` package; nothing else of ours imports it.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, cast

from langchain.agents.middleware.types import AgentMiddleware, ModelCallResult, ModelRequest, ModelResponse
from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.tools import BaseTool

from aivideoapi_core import Route, UnsupportedOptionError, route_of
from aivideoapi_core.adapter_kit import MAX_CACHE_BREAKPOINTS, mark_on, marked_in
from langchain_aivideoapi._errors import as_langchain
from langchain_aivideoapi.chat_models import ChatAIVideoAPI

TTL = Literal["5m", "1h"]
UnsupportedModelBehavior = Literal["ignore", "warn", "raise"]

_TOOLS, _SYSTEM, _MESSAGES, _TAIL = range(4)
"""The order in which the wire reads a prompt: a breakpoint covers everything before it."""

_PRIORITY: Final = (_SYSTEM, _TAIL, _TOOLS)
"""Which breakpoints to place first when the caller left room for fewer: the system prompt's covers the tools."""

_FIELDS: Final = ("system_message", "messages", "tools", "model_settings")
"""What may carry a breakpoint."""


class _Mark(dict[str, Any]):
    """A ``cache_control`` that this middleware placed, so that it can be told from the caller's."""


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
        changes: dict[str, Any] = {}
        if _takes_breakpoints(request):
            changes = _breakpoints(request, self.ttl)
        elif self.unsupported_model_behavior != "ignore":
            warnings.warn(_advice(request), stacklevel=4)
        return _FollowingRequest.of(request, changes, self)


class _FollowingRequest(ModelRequest[Any]):
    """A request whose breakpoints follow its model.

    Middleware that comes later may change the model (a fallback, a router), and LangChain's fallback
    first removes every ``cache_control`` for providers that it does not know, the caller's own
    included. So the request remembers its fields as they were with breakpoints.
    """

    _middleware: AIVideoAPIPromptCachingMiddleware
    _with_marks: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        request: ModelRequest[Any],
        changes: Mapping[str, Any],
        middleware: AIVideoAPIPromptCachingMiddleware,
    ) -> ModelRequest[Any]:
        following = cls(**{**_arguments(request), **changes})
        return following._remember(middleware, {name: getattr(following, name) for name in _FIELDS})

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
        fields = (
            with_marks if _takes_breakpoints(changed) else {name: getattr(changed, name) for name in _FIELDS}
        )
        plain = ModelRequest(
            **{**_arguments(changed), **{name: _unmarked(value) for name, value in fields.items()}}
        )
        return self._middleware.fitted(plain)

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


def _breakpoints(request: ModelRequest[Any], ttl: TTL) -> dict[str, Any]:
    """The fields to change so that the prompt is cached: as many breakpoints as the caller left room for."""
    given = list(_given_marks(request))
    room = MAX_CACHE_BREAKPOINTS - len(given)
    changes: dict[str, Any] = {}
    for position in _PRIORITY:
        if room <= 0:
            break
        change = _placed(request, position, _Mark(type="ephemeral", ttl=_fitting_ttl(position, given, ttl)))
        changes |= change
        room -= len(change)
    return changes


def _fitting_ttl(position: int, given: Sequence[tuple[int, str]], ttl: TTL) -> str:
    """The life of a breakpoint at ``position``: the wire refuses a 1h one after a 5m one."""
    if any(at <= position and life == "5m" for at, life in given):
        return "5m"
    if any(at > position and life == "1h" for at, life in given):
        return "1h"
    return ttl


def _given_marks(request: ModelRequest[Any]) -> Iterator[tuple[int, str]]:
    """The caller's own breakpoints: where they are and how long they live."""
    places: tuple[tuple[int, Sequence[Any]], ...] = (
        (_TOOLS, [_carrier(tool) for tool in request.tools]),
        (_SYSTEM, _blocks(request.system_message)),
        (_MESSAGES, [block for message in request.messages for block in _blocks(message)]),
        (_TAIL, [{"cache_control": _automatic(request)}]),
    )
    for position, blocks in places:
        for block in marked_in(blocks, _mark_of):
            yield position, _mark_of(block).get("ttl") or "5m"


def _automatic(request: ModelRequest[Any]) -> Any:
    """The breakpoint that the caller wants at the end of every request."""
    return request.model_settings.get("cache_control") or getattr(request.model, "cache_control", None)


def _placed(request: ModelRequest[Any], position: int, mark: _Mark) -> dict[str, Any]:
    """The change that puts ``mark`` at ``position``; empty where nothing can carry it or something does already."""
    if position == _SYSTEM:
        system = _marked_system(request.system_message, mark)
        return {} if system is None else {"system_message": system}
    if position == _TOOLS:
        if not request.tools or _mark_of(_carrier(request.tools[-1])):
            return {}
        return {"tools": [*request.tools[:-1], _marked_tool(request.tools[-1], mark)]}
    last = _blocks(request.messages[-1])[-1:] if request.messages else ()
    if _automatic(request) or any(map(_mark_of, last)):
        return {}
    # The wire itself puts a breakpoint given for the whole request on the last block that can carry one.
    return {"model_settings": {**request.model_settings, "cache_control": mark}}


def _marked_system(system: SystemMessage | None, mark: _Mark) -> SystemMessage | None:
    if system is None or not system.content:
        return None
    content = system.content
    blocks: list[Any] = [content] if isinstance(content, str) else list(content)
    last = {"type": "text", "text": blocks[-1]} if isinstance(blocks[-1], str) else blocks[-1]
    if _mark_of(last) or not str(last.get("text", "x")).strip():
        return None
    return system.model_copy(update={"content": [*blocks[:-1], {**last, "cache_control": mark}]})


def _marked_tool(tool: BaseTool | dict[str, Any], mark: _Mark) -> BaseTool | dict[str, Any]:
    if isinstance(tool, BaseTool):
        return tool.model_copy(update={"extras": {**(tool.extras or {}), "cache_control": mark}})
    return {**tool, "cache_control": mark}


def _carrier(tool: BaseTool | dict[str, Any]) -> Mapping[str, Any]:
    """Where a tool has its ``cache_control``."""
    return (tool.extras or {}) if isinstance(tool, BaseTool) else tool


def _blocks(message: BaseMessage | None) -> list[Any]:
    """The content blocks of a message."""
    content = "" if message is None else message.content
    return [] if isinstance(content, str) else [block for block in content if isinstance(block, Mapping)]


def _mark_of(block: Mapping[str, Any]) -> Any:
    """The ``cache_control`` of a block or tool, which a standard block has among its ``extras``."""
    extras = block.get("extras")
    found = mark_on(block) or (mark_on(extras) if isinstance(extras, Mapping) else None)
    return found if isinstance(found, Mapping) else None


def _unmarked(value: Any) -> Any:
    """A field without the breakpoints that this middleware placed."""
    return _without(value, lambda mark: isinstance(mark, _Mark))


def _bare(value: Any) -> Any:
    """A field without any breakpoint, to see whether anything else about it changed."""
    return _without(value, lambda mark: True)


def _without(value: Any, gone: Callable[[Any], bool]) -> Any:
    match value:
        case Mapping():
            kept = {
                key: _without(item, gone)
                for key, item in value.items()
                if not (key == "cache_control" and gone(item))
            }
            return {key: item for key, item in kept.items() if not (key == "extras" and not item)}
        case list():
            return [_without(item, gone) for item in value]
        case BaseMessage():
            content = _without(value.content, gone)
            return value if content == value.content else value.model_copy(update={"content": content})
        case BaseTool() if value.extras:
            extras = _without(value.extras, gone) or None
            return value if extras == value.extras else value.model_copy(update={"extras": extras})
        case _:
            return value
