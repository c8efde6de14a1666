"""Strict validation of a request; the message of each 400 starts with the path of the field.

The rules are those of the official Messages format (public documentation, November 2026), plus
what the platform's pages say of the two routes. Rules that depend on the model bind on the
direct-forward route; the native route documents none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core.sandbox._judge.checks import (
    check_cache_control,
    check_tool_name,
    is_integer,
    is_number,
    require_list,
    require_mapping,
    require_string,
)
from aivideoapi_core.sandbox._judge.citations import check_citations
from aivideoapi_core.sandbox._judge.draft import check_draft
from aivideoapi_core.sandbox._judge.messages import check_messages, check_system
from aivideoapi_core.sandbox._judge.schemas import check_output_schema, check_tool_schema
from aivideoapi_core.sandbox._platform.catalog import ModelRules, is_native
from aivideoapi_core.sandbox._platform.errors import bad_request

_COMMON_FIELDS: Final = frozenset(
    [
        "model",
        "messages",
        "max_tokens",
        "stream",
        "system",
        "tools",
        "tool_choice",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "metadata",
        "service_tier",
        "output_config",
        "cache_control",
        "container",
        "inference_geo",
        "speed",
        "diagnostics",
        "context_management",
        "mcp_servers",
        "compaction",
        "fallback_models",
        "user_profile_id",
    ]
)
_NO_SAMPLING_VERSION: Final = "2026-10-21"
_TOOL_FIELDS: Final = frozenset(
    [
        "type",
        "name",
        "description",
        "input_schema",
        "strict",
        "input_examples",
        "defer_loading",
        "eager_input_streaming",
        "allowed_callers",
        "cache_control",
    ]
)
_MIN_BUDGET: Final = 1024
_MAX_BREAKPOINTS: Final = 4


def validate(
    body: Mapping[str, Any], rules: ModelRules, *, version: str | None, thought: Mapping[str, bool]
) -> None:
    """Raise ``SandboxError`` (400) for the first thing that is wrong in a JSON object.

    ``version`` is the ``anthropic-version`` header; ``thought`` as in ``check_messages``.
    """
    native = is_native(str(body["model"]))
    _check_fields(body, native=native)
    _check_scalars(body, rules, native=native)
    check_system(body.get("system"))
    _check_tools(body.get("tools"))
    _check_tool_choice(body)
    _check_sampling(body, rules, native=native, version=version)
    _check_thinking(body, rules, native=native)
    _check_output_config(body, rules, native=native)
    check_messages(body, prefill=native or rules.prefill, system_turns=rules.system_turns, thought=thought)
    check_citations(body)
    _check_breakpoints(body)


def thinking_is_on(body: Mapping[str, Any]) -> bool:
    """Whether the request asks for thinking, in either route's words."""
    thinking = body.get("thinking")
    if isinstance(thinking, Mapping):
        return thinking.get("type") in ("enabled", "adaptive", "between_tools")
    return body.get("thinkingFlag") is True


def _check_fields(body: Mapping[str, Any], *, native: bool) -> None:
    own = "thinkingFlag" if native else "thinking"
    for name in body:
        if name in _COMMON_FIELDS or name == own:
            continue
        if name == "thinking":
            raise bad_request("thinking: not a field of the native route, use thinkingFlag (boolean)")
        if name == "thinkingFlag":
            raise bad_request("thinkingFlag: not a field of the direct-forward route, use thinking (object)")
        raise bad_request(f"{name}: Extra inputs are not permitted")
    if "messages" not in body:
        raise bad_request("messages: field required")


def _check_scalars(body: Mapping[str, Any], rules: ModelRules, *, native: bool) -> None:
    for name in ("stream", "thinkingFlag"):
        if name in body and not isinstance(body[name], bool):
            raise bad_request(f"{name}: Input should be a valid boolean")
    if "max_tokens" in body:
        value, limit = body["max_tokens"], rules.max_output_tokens
        if not is_integer(value) or value < 0:
            raise bad_request("max_tokens: Input should be a valid integer, 0 or more")
        if not native and limit is not None and value > limit:
            raise bad_request(
                f"max_tokens: {value} > {limit}, which is the maximum allowed number of output tokens "
                f"for {body['model']}"
            )
    for number, item in enumerate(require_list(body.get("stop_sequences", []), "stop_sequences")):
        if not require_string(item, f"stop_sequences.{number}").strip():
            raise bad_request(f"stop_sequences.{number}: each stop sequence must contain non-whitespace")
    metadata = require_mapping(body.get("metadata") or {}, "metadata")
    for name, value in metadata.items():
        if name != "user_id":
            raise bad_request(f"metadata.{name}: Extra inputs are not permitted")
        if value is not None:
            require_string(value, "metadata.user_id")
    if body.get("service_tier", "auto") not in ("auto", "standard_only"):
        raise bad_request("service_tier: Input should be 'auto' or 'standard_only'")
    check_cache_control(body.get("cache_control"), "cache_control")


def _check_tools(tools: Any) -> None:
    if tools is None:
        return
    names: set[str] = set()
    for number, tool in enumerate(require_list(tools, "tools")):
        path = f"tools.{number}"
        require_mapping(tool, path)
        check_cache_control(tool.get("cache_control"), f"{path}.cache_control")
        if tool.get("defer_loading") is True and tool.get("cache_control") is not None:
            raise bad_request(f"{path}: cannot have both defer_loading=true and cache_control set")
        kind = tool.get("type")
        if kind not in (None, "custom"):
            require_string(kind, f"{path}.type")
            name = tool.get("name") or f"{kind} {tool.get('mcp_server_name', number)}"
        else:
            _check_custom_tool(tool, path)
            name = tool["name"]
        if name in names:
            raise bad_request(f"{path}.name: tool names must be unique, {name!r} is used twice")
        names.add(name)


def _check_custom_tool(tool: Mapping[str, Any], path: str) -> None:
    for field in tool:
        if field not in _TOOL_FIELDS:
            raise bad_request(f"{path}.{field}: Extra inputs are not permitted")
    check_tool_name(tool.get("name"), f"{path}.name")
    if tool.get("description") is not None:
        require_string(tool["description"], f"{path}.description")
    schema = require_mapping(tool.get("input_schema"), f"{path}.input_schema")
    if schema.get("type") != "object":
        raise bad_request(f"{path}.input_schema.type: Input should be 'object'")
    check_tool_schema(schema, f"{path}.input_schema")
    check_draft(schema, f"{path}.input_schema")
    if "strict" in tool and tool["strict"] is not None and not isinstance(tool["strict"], bool):
        raise bad_request(f"{path}.strict: Input should be a valid boolean")
    if tool.get("strict"):
        check_output_schema(schema, f"{path}.input_schema")


def _has_budget(body: Mapping[str, Any]) -> bool:
    """Whether thinking is of the kind that excludes a forced tool; adaptive thinking does not."""
    thinking = body.get("thinking")
    return body.get("thinkingFlag") is True or (
        isinstance(thinking, Mapping) and thinking.get("type") == "enabled"
    )


def _check_tool_choice(body: Mapping[str, Any]) -> None:
    if body.get("tool_choice") is None:
        return
    choice = require_mapping(body["tool_choice"], "tool_choice")
    kind = choice.get("type")
    if kind not in ("auto", "any", "tool", "none"):
        raise bad_request("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    allowed = {"type"} | ({"disable_parallel_tool_use"} if kind != "none" else set())
    allowed |= {"name"} if kind == "tool" else set()
    for field in choice:
        if field not in allowed:
            raise bad_request(f"tool_choice.{field}: Extra inputs are not permitted")
    if not isinstance(choice.get("disable_parallel_tool_use", False), bool):
        raise bad_request("tool_choice.disable_parallel_tool_use: Input should be a valid boolean")
    tools = body.get("tools") or ()
    if not tools:
        raise bad_request("tool_choice: may only be specified while providing tools")
    if kind == "tool":
        name = require_string(choice.get("name"), "tool_choice.name")
        if name not in {tool.get("name") for tool in tools}:
            raise bad_request(f"tool_choice.name: tool {name!r} not found in the provided tools")
    if kind in ("any", "tool") and _has_budget(body):
        raise bad_request("tool_choice.type: Thinking may not be enabled when tool_choice forces tool use")


def _check_sampling(body: Mapping[str, Any], rules: ModelRules, *, native: bool, version: str | None) -> None:
    given = [name for name in ("temperature", "top_p", "top_k") if body.get(name) is not None]
    for name in given:
        value = body[name]
        if name == "top_k":
            if not is_integer(value) or value < 0:
                raise bad_request("top_k: Input should be a valid integer, 0 or more")
        elif not is_number(value) or not 0 <= value <= 1:
            raise bad_request(f"{name}: Input should be a number from 0 to 1")
    if given and version == _NO_SAMPLING_VERSION:
        raise bad_request(f"{given[0]}: not supported with anthropic-version {_NO_SAMPLING_VERSION}")
    if native:
        return
    if rules.sampling == "one" and {"temperature", "top_p"} <= set(given):
        raise bad_request("temperature: `temperature` and `top_p` cannot both be specified for this model")
    if rules.sampling == "default":
        for name in given:
            if name == "top_k" or body[name] != 1:
                raise bad_request(f"{name}: only the default value is supported for this model")
    if thinking_is_on(body):
        if body.get("temperature", 1) not in (None, 1):
            raise bad_request("temperature: may only be set to 1 when thinking is enabled")
        if "top_k" in given:
            raise bad_request("top_k: must be unset when thinking is enabled")
        if "top_p" in given and body["top_p"] < 0.95:
            raise bad_request("top_p: must be 0.95 or more when thinking is enabled")


def _check_thinking(body: Mapping[str, Any], rules: ModelRules, *, native: bool) -> None:
    if native or body.get("thinking") is None:
        return
    thinking = require_mapping(body["thinking"], "thinking")
    kind = thinking.get("type")
    if kind not in ("enabled", "adaptive", "disabled", "between_tools"):
        raise bad_request("thinking.type: Input should be 'enabled', 'adaptive' or 'disabled'")
    if kind not in rules.thinking:
        raise bad_request(f"thinking.type: {kind!r} is not supported for this model")
    allowed = {"type"} | ({"display"} if kind in ("enabled", "adaptive") else set())
    allowed |= {"budget_tokens"} if kind == "enabled" else set()
    for field in thinking:
        if field not in allowed:
            raise bad_request(f"thinking.{field}: Extra inputs are not permitted")
    if thinking.get("display") not in (None, "summarized", "omitted"):
        raise bad_request("thinking.display: Input should be 'summarized' or 'omitted'")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not is_integer(budget) or budget < _MIN_BUDGET:
            raise bad_request(f"thinking.budget_tokens: Input should be an integer, {_MIN_BUDGET} or more")
        if body.get("max_tokens") is not None and budget >= body["max_tokens"]:
            raise bad_request("thinking.budget_tokens: must be less than `max_tokens`")


def _check_output_config(body: Mapping[str, Any], rules: ModelRules, *, native: bool) -> None:
    if body.get("output_config") is None:
        return
    config = require_mapping(body["output_config"], "output_config")
    for field in config:
        if field not in ("effort", "format", "task_budget"):
            raise bad_request(f"output_config.{field}: Extra inputs are not permitted")
    effort = config.get("effort")
    if effort is not None:
        if effort not in ("low", "medium", "high", "xhigh", "max"):
            raise bad_request("output_config.effort: Input should be low, medium, high, xhigh or max")
        if not native and effort not in rules.efforts:
            raise bad_request(f"output_config.effort: {effort!r} is not supported for this model")
    if config.get("format") is not None:
        wanted = require_mapping(config["format"], "output_config.format")
        if wanted.get("type") != "json_schema":
            raise bad_request("output_config.format.type: Input should be 'json_schema'")
        for field in wanted:
            if field not in ("type", "schema"):
                raise bad_request(f"output_config.format.{field}: Extra inputs are not permitted")
        schema = require_mapping(wanted.get("schema"), "output_config.format.schema")
        check_output_schema(schema, "output_config.format.schema")


def _check_breakpoints(body: Mapping[str, Any]) -> None:
    marks = list(_marks({name: body.get(name) for name in ("tools", "system", "messages")}))
    if body.get("cache_control") is not None:
        marks.append(body["cache_control"])
    if len(marks) > _MAX_BREAKPOINTS:
        raise bad_request(
            f"cache_control: a maximum of {_MAX_BREAKPOINTS} blocks with cache_control may be provided, "
            f"found {len(marks)}"
        )
    ttls = [mark.get("ttl", "5m") for mark in marks]
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        raise bad_request("cache_control.ttl: a ttl='1h' block must not come after a ttl='5m' block")


def _marks(value: Any) -> Any:
    """Every cache_control of blocks and tools, in order; arguments and schemas are not looked into."""
    if isinstance(value, list):
        for item in value:
            yield from _marks(item)
    elif isinstance(value, Mapping):
        for name in ("tools", "system", "messages", "content"):
            if name in value:
                yield from _marks(value[name])
        if value.get("cache_control") is not None:
            yield value["cache_control"]
