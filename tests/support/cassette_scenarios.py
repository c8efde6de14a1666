"""One scenario per behaviour and route: what is asked, what the sandbox is told to answer, what must hold.

The checks hold for any server that speaks the wire, so that they serve live recordings too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aivideoapi_core import (
    AIVideoAPIError,
    AuthenticationError,
    InsufficientCreditsError,
    RateLimitError,
    Reply,
    Route,
    SpendLimitError,
    build_payload,
    route_of,
)
from aivideoapi_core import sandbox as stand_in

NATIVE: Final = "claude-sonnet-4-6"
DIRECT: Final = "claude-sonnet-4-5/anthropic"

Json = dict[str, Any]
Step = Callable[[Sequence[Reply]], Json]


def fixed(model: str, messages: Sequence[Any], *, stream: bool, **options: Any) -> Step:
    """A step whose request does not depend on the replies before it."""

    def build(_: Sequence[Reply]) -> Json:
        return build_payload(model, messages, stream=stream, **options)

    return build


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One cassette. ``prompt`` and ``options`` are set where a plain framework call sends the same body.

    ``script`` is what the sandbox answers while recording. ``error`` is the class that the (only)
    call must raise. ``needs`` says what a live recording takes beyond a good key; ``None``: nothing.
    """

    name: str
    steps: tuple[Step, ...]
    script: tuple[stand_in.Reply | stand_in.Fault, ...]
    check: Callable[[Sequence[Reply]], None] | None = None
    error: type[AIVideoAPIError] | None = None
    model: str = ""
    prompt: str | None = None
    options: Mapping[str, Any] | None = None
    needs: str | None = None


def _user(text: str) -> Json:
    return {"role": "user", "content": text}


def _check_text(replies: Sequence[Reply]) -> None:
    (reply,) = replies
    assert "".join(block.get("text", "") for block in reply.message["content"])
    assert reply.message["stop_reason"] == "end_turn"
    _check_money(reply)


def _check_money(reply: Reply) -> None:
    """Known tokens, a computed figure on both routes, a reported one on the native route alone."""
    assert reply.tokens is not None
    assert reply.tokens.output > 0
    assert reply.credits_computed is not None
    assert reply.credits_computed.micro > 0
    assert (reply.credits_reported is not None) == (route_of(reply.model) is Route.NATIVE)
    if reply.credits_reported is not None:
        assert reply.credits_reported <= reply.credits_computed.as_decimal()


_PROMPT = "Greet me in German and add one emoji."
_GREETING = stand_in.Reply("Grüße Sie! Schön, dass Sie da sind. 👋", pieces=7)


def _text_scenarios() -> list[Scenario]:
    return [
        Scenario(
            name=f"{kind}-{where}",
            steps=(fixed(model, [_user(_PROMPT)], stream=kind == "streamed", max_tokens=100),),
            script=(_GREETING,),
            check=_check_text,
            model=model,
            prompt=_PROMPT,
            options={"max_tokens": 100},
        )
        for kind in ("whole", "streamed")
        for where, model in (("native", NATIVE), ("direct", DIRECT))
    ]


_TOOL: Final[Json] = {
    "name": "get_weather",
    "description": "Current weather at a place.",
    "input_schema": {
        "type": "object",
        "properties": {"place": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["place"],
    },
}
_TOOL_PROMPT = "What is the weather in Zürich in °C? Use the tool."


def _after_tool(model: str, *, stream: bool) -> Step:
    def build(replies: Sequence[Reply]) -> Json:
        content = replies[0].message["content"]
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "11 °C, light rain"}
            for block in content
            if block["type"] == "tool_use"
        ]
        turns = [
            _user(_TOOL_PROMPT),
            {"role": "assistant", "content": content},
            {"role": "user", "content": results},
        ]
        return build_payload(model, turns, stream=stream, tools=[_TOOL], max_tokens=200)

    return build


def _check_tools(replies: Sequence[Reply]) -> None:
    first, second = replies
    (use,) = (block for block in first.message["content"] if block["type"] == "tool_use")
    assert first.message["stop_reason"] == "tool_use"
    assert use["name"] == "get_weather"
    assert "rich" in use["input"]["place"]
    assert second.message["stop_reason"] == "end_turn"
    assert "11" in second.message["content"][-1]["text"]
    for reply in replies:
        _check_money(reply)


def _tool_scenarios() -> list[Scenario]:
    return [
        Scenario(
            name=f"tools-{kind}-{where}",
            steps=(
                fixed(model, [_user(_TOOL_PROMPT)], stream=kind == "streamed", tools=[_TOOL], max_tokens=200),
                _after_tool(model, stream=kind == "streamed"),
            ),
            script=(
                stand_in.Reply(
                    "I look it up.",
                    tool_uses=[{"name": "get_weather", "input": {"place": "Zürich", "unit": "C"}}],
                    pieces=9,
                ),
                stand_in.Reply("It is 11 °C with light rain in Zürich.", pieces=9),
            ),
            check=_check_tools,
            model=model,
        )
        for kind in ("whole", "streamed")
        for where, model in (("native", NATIVE), ("direct", DIRECT))
    ]


_THINKING_PROMPT = "Is 91 a prime number?"


def _check_thinking(replies: Sequence[Reply]) -> None:
    (reply,) = replies
    kinds = [block["type"] for block in reply.message["content"]]
    assert kinds[0] in ("thinking", "redacted_thinking")
    assert kinds[-1] == "text"
    thought = reply.message["content"][0]
    assert thought.get("signature") or thought.get("data")
    _check_money(reply)


def _thinking_scenarios() -> list[Scenario]:
    asked: tuple[tuple[str, str, Any], ...] = (
        ("native", NATIVE, True),
        ("direct", DIRECT, {"type": "enabled", "budget_tokens": 1024}),
    )
    return [
        Scenario(
            name=f"thinking-{kind}-{where}",
            steps=(
                fixed(
                    model,
                    [_user(_THINKING_PROMPT)],
                    stream=kind == "streamed",
                    thinking=thinking,
                    max_tokens=2_000,
                ),
            ),
            script=(stand_in.Reply("No: 91 = 7 · 13.", thinking="91 is 7 times 13.", pieces=6),),
            check=_check_thinking,
            model=model,
            prompt=_THINKING_PROMPT,
            options={"max_tokens": 2_000, "thinking": thinking},
        )
        for kind in ("whole", "streamed")
        for where, model, thinking in asked
    ]


_LONG_SYSTEM: Final = "\n".join(
    f"Rule {number}: a parcel of class {number} travels in box {number * 7} and is weighed {number % 5 + 1} times."
    for number in range(1, 81)
)
"""About 2,000 tokens: prefixes below 1,024 are not cached by the models behind the platform."""


def _check_cached(replies: Sequence[Reply]) -> None:
    first, second = (reply.tokens for reply in replies)
    assert first is not None
    assert second is not None
    assert first.cache_write + first.cache_read > 1_000
    assert second.cache_read > 1_000
    for reply in replies:
        _check_money(reply)


def _cached_scenario() -> Scenario:
    system = [{"type": "text", "text": _LONG_SYSTEM, "cache_control": {"type": "ephemeral"}}]
    step = fixed(DIRECT, [_user("Which box for class 3?")], stream=False, system=system, max_tokens=100)
    return Scenario(
        name="cached-direct",
        steps=(step, step),
        script=(stand_in.Reply("Box 21."), stand_in.Reply("Box 21.")),
        check=_check_cached,
        model=DIRECT,
    )


_REFUSALS: Final[tuple[tuple[str, type[AIVideoAPIError], stand_in.Fault, str | None], ...]] = (
    (
        "insufficient-credits",
        InsufficientCreditsError,
        stand_in.Fault.error("insufficient_credits"),
        "a key of an account without credits",
    ),
    (
        "spend-limit",
        SpendLimitError,
        stand_in.Fault.error("spend_limit_exceeded"),
        "a key whose spend limit is used up",
    ),
    (
        "rate-limit",
        RateLimitError,
        stand_in.Fault.error("rate_limit_exceeded", retry_after=7),
        "a key that is over its rate limit",
    ),
    ("invalid-key", AuthenticationError, stand_in.Fault.error("invalid_api_key"), "a key that was deleted"),
)


def _error_scenarios() -> list[Scenario]:
    return [
        Scenario(
            name=f"{name}-{where}",
            steps=(fixed(model, [_user("Hello")], stream=False, max_tokens=20),),
            script=(fault,),
            error=error,
            model=model,
            prompt="Hello",
            options={"max_tokens": 20},
            needs=needs,
        )
        for name, error, fault, needs in _REFUSALS
        for where, model in (("native", NATIVE), ("direct", DIRECT))
    ]


SCENARIOS: Final[tuple[Scenario, ...]] = (
    *_text_scenarios(),
    *_tool_scenarios(),
    *_thinking_scenarios(),
    _cached_scenario(),
    *_error_scenarios(),
)
