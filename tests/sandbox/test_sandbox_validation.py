"""Strict validation: what is refused, and that the message names the field; what must be accepted."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from aivideoapi_core.sandbox import Reply, Sandbox
from aivideoapi_core.sandbox._judge.signatures import sign

NATIVE = "claude-sonnet-4-6"
HAIKU, SONNET, OPUS = "claude-haiku-4-5/anthropic", "claude-sonnet-4-6/anthropic", "claude-opus-4-7/anthropic"
OLD_OPUS = "claude-opus-4-5/anthropic"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()
PDF = base64.b64encode(b"%PDF-1.4\n").decode()
FOREIGN = base64.b64encode(bytes(range(120))).decode()
TOOL: dict[str, Any] = {"name": "t", "input_schema": {"type": "object", "properties": {}}}
MARK = {"type": "ephemeral"}


def user(*blocks: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "content": blocks[0] if len(blocks) == 1 and isinstance(blocks[0], str) else list(blocks),
    }


def assistant(*blocks: Any) -> dict[str, Any]:
    return {**user(*blocks), "role": "assistant"}


def text(value: Any = "Hi", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def use(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "t", "input": {}, **more}


def result(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": "ok", **more}


def thought(words: str = "hm", signature: str | None = None) -> dict[str, Any]:
    return {
        "type": "thinking",
        "thinking": words,
        "signature": sign(words) if signature is None else signature,
    }


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


def document(**source: Any) -> dict[str, Any]:
    return {"type": "document", "source": source}


def schema(**more: Any) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": more}}}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def tool(**properties: Any) -> dict[str, Any]:
    return {"tools": [{"name": "t", "input_schema": {"type": "object", "properties": properties}}]}


def post(sandbox: Sandbox, body: dict[str, Any], **headers: str) -> httpx.Response:
    whole = {"model": SONNET, "stream": False, "max_tokens": 4_000, "messages": [user("Hi")], **body}
    whole = {name: value for name, value in whole.items() if value is not ...}
    sent = {"authorization": "Bearer sk-test"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return httpx.post(f"{sandbox.url}/v1/messages", json=whole, headers=sent)


def turns(*messages: Any) -> dict[str, Any]:
    return {"messages": list(messages)}


FOUND = {"type": "search_result", "source": "s", "title": "t", "content": [text()]}
CITED = {"citations": {"enabled": True}}
BUDGET = {"type": "enabled", "budget_tokens": 2_000}
ADAPTIVE = {"type": "adaptive"}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    # top level
    ("messages: field required", {"messages": ...}),
    ("messages: at least one", {"messages": []}),
    ("messages: Input should be a valid array", {"messages": "Hi"}),
    ("model: field required", {"model": ...}),
    ("model: field required", {"model": 3}),
    ("max_token: Extra", {"max_token": 3}),
    ("thinkingFlag: not a field of the direct-forward route", {"thinkingFlag": True}),
    ("thinking: not a field of the native route", {"model": NATIVE, "thinking": BUDGET}),
    ("thinkingFlag: Input should be a valid boolean", {"model": NATIVE, "thinkingFlag": "yes"}),
    ("stream: Input should be a valid boolean", {"stream": "true"}),
    ("max_tokens: Input", {"max_tokens": "9"}),
    ("max_tokens: Input", {"max_tokens": True}),
    ("max_tokens: Input", {"max_tokens": -1}),
    ("max_tokens: 64001 > 64000", {"model": HAIKU, "max_tokens": 64_001}),
    ("max_tokens: 128001 > 128000", {"max_tokens": 128_001}),
    ("stop_sequences: Input", {"stop_sequences": "x"}),
    ("stop_sequences.1: Input", {"stop_sequences": ["a", 1]}),
    ("stop_sequences.0: each", {"stop_sequences": [" \n"]}),
    ("metadata.user: Extra", {"metadata": {"user": "x"}}),
    ("metadata.user_id: Input", {"metadata": {"user_id": 3}}),
    ("service_tier: Input", {"service_tier": "fast"}),
    ("cache_control.type: Input", {"cache_control": {"type": "eternal"}}),
    ("system.0.type: Input", {"system": [image(type="url", url="https://example.com/a.png")]}),
    ("system.0.text: text content blocks must be non-empty", {"system": [text("")]}),
    # sampling
    ("temperature: Input", {"temperature": 1.5}),
    ("temperature: Input", {"temperature": "hot"}),
    ("top_p: Input", {"top_p": -0.1}),
    ("top_k: Input", {"top_k": 1.5}),
    ("temperature: `temperature` and `top_p`", {"model": HAIKU, "temperature": 0.5, "top_p": 0.5}),
    ("temperature: only the default", {"model": OPUS, "temperature": 0.5}),
    ("top_k: only the default", {"model": OPUS, "top_k": 5}),
    # thinking
    ("thinking.type: Input", {"thinking": {"type": "on"}}),
    ("thinking: Input", {"thinking": True}),
    ("thinking.budget_tokens: Input", {"thinking": {"type": "enabled"}}),
    ("thinking.budget_tokens: Input", {"thinking": {"type": "enabled", "budget_tokens": 1023}}),
    ("thinking.budget_tokens: must be less", {"thinking": {"type": "enabled", "budget_tokens": 4_000}}),
    ("thinking.budget_tokens: Extra", {"thinking": {"type": "adaptive", "budget_tokens": 2_000}}),
    ("thinking.display: Input", {"thinking": {**BUDGET, "display": "all"}}),
    ("thinking.type: 'adaptive' is not supported", {"model": HAIKU, "thinking": ADAPTIVE}),
    ("thinking.type: 'enabled' is not supported", {"model": OPUS, "thinking": BUDGET}),
    ("temperature: may only be set to 1", {"thinking": BUDGET, "temperature": 0.2}),
    ("top_k: must be unset", {"thinking": BUDGET, "top_k": 3}),
    ("top_p: must be 0.95", {"thinking": ADAPTIVE, "top_p": 0.5}),
    # tools
    ("tools: Input", {"tools": {}}),
    ("tools.0.name: field required", {"tools": [{"input_schema": {"type": "object"}}]}),
    ("tools.0.name: String should match", {"tools": [{**TOOL, "name": "a b"}]}),
    ("tools.0.name: String should match", {"tools": [{**TOOL, "name": "x" * 129}]}),
    ("tools.0.input_schema: field required", {"tools": [{"name": "t"}]}),
    ("tools.0.input_schema.type: Input", {"tools": [{"name": "t", "input_schema": {"type": "string"}}]}),
    ("tools.0.input_schema: input_schema does not support oneOf", {"tools": [{"name": "t", "input_schema": {"type": "object", "anyOf": [{}]}}]}),
    ("tools.0.input_schema.properties: Property keys", {"tools": [{"name": "t", "input_schema": {"type": "object", "properties": {"$filter": {}}}}]}),
    ("tools.0.input_schema.properties.a.items.properties: Property keys", {"tools": [{"name": "t", "input_schema": {"type": "object", "properties": {"a": {"items": {"properties": {"x" * 65: {}}}}}}}]}),
    ("tools.0.input_schema.properties.a.type: JSON schema is invalid", tool(a={"type": "str"})),
    ("tools.0.input_schema.properties.a.type: JSON schema", tool(a={"type": ["string", "string"]})),
    ("tools.0.input_schema.properties.a.anyOf.1.exclusiveMinimum: JSON schema", tool(a={"anyOf": [{}, {"exclusiveMinimum": True}]})),
    ("tools.0.input_schema.properties.a.items: JSON schema", tool(a={"items": [{"type": "string"}]})),
    ("tools.0.input_schema.properties.a.enum: JSON schema", tool(a={"enum": "x"})),
    ("tools.0.input_schema.properties.a.description: JSON schema", tool(a={"description": None})),
    ("tools.0.input_schema.properties.a.minLength: JSON schema", tool(a={"minLength": -1})),
    ("tools.0.input_schema.properties.a.pattern: JSON schema", tool(a={"pattern": "["})),
    ("tools.0.input_schema.properties.a.oneOf: JSON schema", tool(a={"oneOf": []})),
    ("tools.0.input_schema.properties.a.required: JSON schema", tool(a={"required": True})),
    ("tools.0.input_schema.properties.a.dependencies.b: JSON schema", tool(a={"dependencies": {"b": "c"}})),
    ("tools.0.input_schema.properties.a: JSON schema", tool(a="string")),
    ("tools.0.input_schema.$defs.a.multipleOf: JSON schema", {"tools": [{"name": "t", "input_schema": {"type": "object", "$defs": {"a": {"multipleOf": 0}}}}]}),
    ("tools.0.function: Extra", {"tools": [{**TOOL, "function": {}}]}),
    ("tools.1.name: tool names must be unique", {"tools": [TOOL, TOOL]}),
    ("tools.0.input_schema.additionalProperties", {"tools": [{**TOOL, "strict": True}]}),
    ("tool_choice: may only", {"tool_choice": {"type": "auto"}}),
    ("tool_choice.type: Input", {"tools": [TOOL], "tool_choice": {"type": "required"}}),
    ("tool_choice: Input", {"tools": [TOOL], "tool_choice": "auto"}),
    ("tool_choice.name: field", {"tools": [TOOL], "tool_choice": {"type": "tool"}}),
    ("tool_choice.name: tool 'u' not found", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "u"}}),
    ("tool_choice.name: Extra", {"tools": [TOOL], "tool_choice": {"type": "any", "name": "t"}}),
    ("tool_choice.disable_parallel_tool_use: Extra", {"tools": [TOOL], "tool_choice": {"type": "none", "disable_parallel_tool_use": True}}),
    ("tool_choice.type: Thinking may not", {"tools": [TOOL], "tool_choice": {"type": "any"}, "thinking": BUDGET}),
    # output
    ("output_config.effort: 'low' is not supported", {"model": HAIKU, "output_config": {"effort": "low"}}),
    ("output_config.effort: 'max' is not supported", {"model": OLD_OPUS, "output_config": {"effort": "max"}}),
    ("output_config.effort: 'xhigh' is not supported", {"output_config": {"effort": "xhigh"}}),
    ("output_config.effort: Input", {"output_config": {"effort": "huge"}}),
    ("output_config.format.type: Input", {"output_config": {"format": {"type": "json"}}}),
    ("output_config.format.schema: field", {"output_config": {"format": {"type": "json_schema"}}}),
    ("output_config.format.schema.additionalProperties: must be", schema(type="object", properties={})),
    ("schema.properties.a.minimum: this schema keyword", schema(**obj(a={"type": "integer", "minimum": 1}))),
    ("schema.properties.a.maxLength: this schema keyword", schema(**obj(a={"type": "string", "maxLength": 1}))),
    ("schema.properties.a.minItems: only 0 and 1", schema(**obj(a={"type": "array", "minItems": 2}))),
    ("schema.properties.a.type: 'text'", schema(**obj(a={"type": "text"}))),
    ("schema.properties.a.items.additionalProperties", schema(**obj(a={"type": "array", "items": {"type": "object"}}))),
    ("$ref: recursive", schema(**obj(a={"$ref": "#/$defs/A"}), **{"$defs": {"A": obj(b={"$ref": "#/$defs/A"})}})),
    ("$ref: '#/$defs/B' cannot", schema(**obj(a={"$ref": "#/$defs/B"}))),
    # messages
    ("messages.0.role: Input", turns({"role": "human", "content": "x"})),
    ("messages.1.role: system messages", turns(user("x"), {"role": "system", "content": "y"})),
    ("messages.0.name: Extra", turns({"role": "user", "content": "x", "name": "bob"})),
    ("messages.0.content: field", turns({"role": "user"})),
    ("messages.0.content: text content blocks must be non-empty", turns(user(""))),
    ("messages.0.content: text content blocks must contain", turns(user("  "))),
    ("messages.0.content: all messages", turns(user(), user("x"))),
    ("messages.1.content: all messages", turns(user("x"), assistant(), user("y"))),
    ("messages.1.content.0.text: text content blocks must be non-empty", turns(user("x"), assistant(text("")), user("y"))),
    ("messages.0.content.0.text: text content blocks must contain", turns(user(text("\n")))),
    ("messages.0.content.0.index: Extra", turns(user(text("x", index=0)))),
    ("messages.0.content.0: Input", turns(user("x", "y"))),
    ("messages.0.content.0.type: field", turns(user({"text": "x"}))),
    ("messages.0.content.0.type: Input tag 'input_text'", turns(user({"type": "input_text", "text": "x"}))),
    ("messages.0.content.0.type: thinking blocks are only", turns(user(thought(), text()))),
    ("messages.1.content.0.type: image blocks are only", turns(user("x"), assistant(image(type="url", url="https://example.com")), user("y"))),
    ("messages: This model does not support assistant message prefill", turns(user("x"), assistant("y"))),
    ("messages.1.content: final assistant content", {"model": HAIKU, **turns(user("x"), assistant("y "))}),
    # images and documents
    ("messages.0.content.0.source: field", turns(user({"type": "image"}))),
    ("messages.0.content.0.source.type: Input", turns(user(image(type="path", path="x")))),
    ("messages.0.content.0.source.media_type: Input", turns(user(image(type="base64", media_type="image/bmp", data=PNG)))),
    ("messages.0.content.0.source.data: the image was specified", turns(user(image(type="base64", media_type="image/jpeg", data=PNG)))),
    ("messages.0.content.0.source.data: invalid base64", turns(user(image(type="base64", media_type="image/png", data="a!")))),
    ("messages.0.content.0.source.url: Only HTTP", turns(user(image(type="url", url="data:image/png;base64,AA")))),
    ("messages.0.content.0.source.media_type: Input", turns(user(document(type="base64", media_type="text/plain", data=PDF)))),
    ("messages.0.content.0.source.data: the PDF", turns(user(document(type="base64", media_type="application/pdf", data=PNG)))),
    ("messages.0.content.0.source.data: document text", turns(user(document(type="text", media_type="text/plain", data=" ")))),
    # cache breakpoints
    ("cache_control: a maximum of 4", turns(user(*[text(cache_control=MARK)] * 5))),
    ("cache_control: a maximum of 4", {"cache_control": MARK, "system": [text(cache_control=MARK)], "tools": [{**TOOL, "cache_control": MARK}], **turns(user(text(cache_control=MARK), text(cache_control=MARK)))}),
    ("messages.0.content.0.cache_control.ttl: Input", turns(user(text(cache_control={**MARK, "ttl": "2h"})))),
    ("cache_control.ttl: a ttl='1h'", turns(user(text(cache_control=MARK), text(cache_control={**MARK, "ttl": "1h"})))),
    ("messages.1.content.0.cache_control: cannot", turns(user("x"), assistant({**thought(), "cache_control": MARK}, text()), user("y"))),
    # tools and their results
    ("messages.1.content.0.id: String should match", turns(user("x"), assistant(use(id="a.b")), user(result()))),
    ("messages.1.content.0.input: Input", turns(user("x"), assistant(use(input="{}")), user(result()))),
    ("messages.1.content.0.name: String should match", turns(user("x"), assistant(use(name="a.b")), user(result()))),
    ("messages.1.content.0.name: String should match", turns(user("x"), assistant(use(name="")), user(result()))),
    ("messages.1.content.1.id: `tool_use` ids must be unique", turns(user("x"), assistant(use(), use()), user(result()))),
    ("messages.1.content.0: `tool_use` ids were found without", turns(user("x"), assistant(use()), user("y"))),
    ("messages.1.content.0: `tool_use` ids were found without", turns(user("x"), assistant(use(1), use(2)), user(result(1)))),
    ("messages.1.content.0: `tool_use` ids were found without", {"model": HAIKU, **turns(user("x"), assistant(use()))}),
    ("messages.0.content.0.tool_use_id: unexpected", turns(user(result()))),
    ("messages.2.content.0.tool_use_id: unexpected", turns(user("x"), assistant(use(1)), user(result(2), result(1)))),
    ("messages.4.content.0.tool_use_id: unexpected", turns(user("x"), assistant(use()), user(result()), assistant("y"), user(result()))),
    ("messages.2.content.1.tool_use_id: each tool_use must have", turns(user("x"), assistant(use()), user(result(), result()))),
    ("messages.2.content.1: `tool_result` blocks must come first", turns(user("x"), assistant(use()), user(text(), result()))),
    ("messages.3.content.0: `tool_result` blocks must come first", turns(user("x"), assistant(use()), user("y"), user(result()))),
    ("messages.2.content.0.content.0.text: text content", turns(user("x"), assistant(use()), user(result(content=[text("")])))),
    ("messages.2.content.0.content.0.type: Input", turns(user("x"), assistant(use()), user(result(content=[use(2)])))),
    ("messages.2.content.0.is_error: Input", turns(user("x"), assistant(use()), user(result(is_error="no")))),
    ("messages.2.content.0: content cannot be empty if `is_error`", turns(user("x"), assistant(use()), user(result(is_error=True, content=" ")))),
    ("messages.2.content.0: all content must be type `text` if `is_error`", turns(user("x"), assistant(use()), user(result(is_error=True, content=[image(type="url", url="https://x.org/a.png")])))),
    ("messages.2.content.0.content: search_result blocks cannot", turns(user("x"), assistant(use()), user(result(content=[text(), FOUND])))),
    # citations and deferred tools
    ("messages: citations must be enabled on all or none of the search_result", turns(user(FOUND, {**FOUND, **CITED}))),
    ("messages: citations must be enabled on all or none of the document", turns(user(document(type="content", content=[text()]), {**document(type="content", content=[text()]), **CITED}))),
    ("output_config.format: citations cannot", {**turns(user({**FOUND, **CITED})), **schema(**obj(a={"type": "string"}))}),
    ("tools.0: cannot have both defer_loading", {"tools": [{**TOOL, "defer_loading": True, "cache_control": MARK}]}),
    # thinking blocks
    ("messages.1.content.1.type: the final block of an assistant turn cannot be thinking", turns(user("x"), assistant(text(), thought()), user("y"))),
    ("messages.1.content.0: `server_tool_use` s1 was found without", turns(user("x"), assistant({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}), user("y"))),
    ("messages.1.content.0.tool_use_id: unexpected", turns(user("x"), assistant({"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}), user("y"))),
    ("messages.1.content.0.signature: field", turns(user("x"), assistant({"type": "thinking", "thinking": "x"}, text()), user("y"))),
    ("messages.1.content.0.signature: Invalid", turns(user("x"), assistant(thought("a", sign("b")), text()), user("y"))),
    ("messages.1.content.0.signature: Invalid", turns(user("x"), assistant(thought("a", "c2ln"), text()), user("y"))),
    ("messages.1.content.0.signature: Invalid", {"thinking": BUDGET, **turns(user("x"), assistant(thought("a", FOREIGN), use()), user(result()))}),
    ("messages.1.content.0.type: Expected `thinking`", {"thinking": BUDGET, **turns(user("x"), assistant(use()), user(result()))}),
    ("messages: an assistant turn at the end", {"model": HAIKU, "thinking": BUDGET, **turns(user("x"), assistant("y"))}),
]  # fmt: skip
ACCEPTED: list[dict[str, Any]] = [
    {"max_tokens": ...},
    {"max_tokens": 0},
    {"model": NATIVE, "max_tokens": ...},
    {"model": NATIVE, "thinkingFlag": False, "temperature": 0.1, "top_p": 0.2, "top_k": 3},
    {"temperature": 0.5, "top_p": 0.5, "top_k": 5},
    {"model": HAIKU, "temperature": 0.5},
    {"model": OPUS, "temperature": 1, "top_p": 1.0},
    {"model": OPUS, "thinking": ADAPTIVE, "output_config": {"effort": "xhigh"}},
    {"model": OLD_OPUS, "output_config": {"effort": "high"}},
    {"thinking": {**BUDGET, "display": "omitted"}, "temperature": 1, "top_p": 0.97},
    {"thinking": {"type": "disabled"}, "tools": [TOOL], "tool_choice": {"type": "any"}},
    {"thinking": BUDGET, "tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    {"tools": []},
    tool(a={"type": ["string", "null"], "default": None, "const": None, "x-own": "y", "minLength": 2.0}, b=True, c={"$ref": "#/$defs/x"}),
    tool(a={"patternProperties": {"^a": {}}, "dependencies": {"b": ["c"], "d": {"type": "string"}}, "examples": [], "enum": []}),
    {"tools": [{"type": "web_search_20260318", "name": "web_search", "max_uses": 2}, {**TOOL, "type": "custom"}]},
    {"system": ""},
    {"system": [text(cache_control={**MARK, "ttl": "1h"}), text(cache_control=MARK)]},
    {"metadata": {"user_id": "u"}, "service_tier": "standard_only", "stop_sequences": ["a", "\n\nHuman:"]},
    {"context_management": {"edits": []}, "container": "c", "inference_geo": "eu", "mcp_servers": []},
    turns(user("x"), user("y")),
    turns(user("x"), assistant("a"), assistant("b"), user("y")),
    turns(assistant("Welcome"), user("x")),
    {"model": HAIKU, **turns(user("x"), assistant("The answer is"))},
    {"model": HAIKU, **turns(user("x"), assistant())},
    {"model": NATIVE, **turns(user("x"), assistant("The answer is"))},
    turns(user(image(type="base64", media_type="image/png", data=PNG), image(type="url", url="https://example.com/a.png"), text())),
    turns(user({**document(type="base64", media_type="application/pdf", data=PDF), "title": "t"}, text())),
    turns(user({**document(type="text", media_type="text/plain", data="d"), "citations": {"enabled": True}}, text())),
    turns(user(document(type="content", content=[text()]), document(type="url", url="https://example.com/a.pdf"))),
    turns(user(FOUND, text())),
    turns(user({**FOUND, **CITED}, document(type="content", content=[text()]), text())),
    turns(user("x"), assistant(use(1), use(2)), user(result(2), result(1, is_error=True), text())),
    turns(user("x"), assistant(use(1), use(2)), user(result(2)), user(result(1, content=[]))),
    turns(user("x"), assistant(use()), user(result(content=[text(), image(type="base64", media_type="image/png", data=PNG), document(type="base64", media_type="application/pdf", data=PDF)]))),
    turns(user("x"), assistant(thought(), use()), user(result())),
    turns(user("x"), assistant(thought("other provider", FOREIGN), text()), user("y")),
    {"thinking": BUDGET, **turns(user("x"), assistant(thought(), use()), user(result()))},
    {"thinking": BUDGET, **turns(user("x"), assistant({"type": "redacted_thinking", "data": "d"}, use()), user(result()))},
    {"thinking": BUDGET, **turns(user("x"), assistant(use()), user(result()), assistant("y"), user("z"))},
    turns(user("x"), assistant({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
    schema(**obj(a={"anyOf": [{"type": "string"}, {"type": "null"}]}, b={"$ref": "#/$defs/B"}), **{"$defs": {"B": {"enum": ["x", 1]}}}),
    {"tools": [{**TOOL, "strict": True, "input_schema": {**obj(), "type": "object"}}]},
    {"tools": [TOOL], "tool_choice": {"type": "any"}, "thinking": ADAPTIVE},
]  # fmt: skip


@pytest.mark.parametrize(("message", "body"), REFUSED, ids=[message[:60] for message, _ in REFUSED])
def test_refused(sandbox: Sandbox, message: str, body: dict[str, Any]) -> None:
    response = post(sandbox, body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["code"], error["type"]) == ("invalid_request", "invalid_request_error")
    assert message in error["message"]
    assert sandbox.charged_micro == 0


@pytest.mark.parametrize("body", ACCEPTED)
def test_accepted(sandbox: Sandbox, body: dict[str, Any]) -> None:
    response = post(sandbox, body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("model", [NATIVE, SONNET])
@pytest.mark.parametrize("field", ["temperature", "top_p", "top_k"])
def test_the_newest_version_header_refuses_sampling(sandbox: Sandbox, model: str, field: str) -> None:
    body = {"model": model, field: 1}
    refused = post(sandbox, body, anthropic_version="2026-10-21")
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith(f"{field}: not supported")
    assert post(sandbox, body, anthropic_version="2023-06-01").status_code == 200
    assert post(sandbox, {"model": model}, anthropic_version="2026-10-21").status_code == 200


@pytest.mark.parametrize(("model", "tokens"), [(NATIVE, 200_000), (HAIKU, 200_000)])
def test_a_prompt_longer_than_the_window(sandbox: Sandbox, model: str, tokens: int) -> None:
    response = post(sandbox, {"model": model, **turns(user("word " * tokens))})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("prompt is too long: ")


def test_scripted_tool_turns_need_thinking_only_if_they_came_with_it(sandbox: Sandbox) -> None:
    """A scripted reply without thinking can be continued although thinking is on."""
    sandbox.enqueue(
        Reply(tool_uses=[{"name": "t", "input": {}, "id": "bare"}]),
        Reply(thinking="hm", tool_uses=[{"name": "t", "input": {}, "id": "thought"}]),
    )
    for identity, status in (("bare", 200), ("thought", 400)):
        first = post(sandbox, {"thinking": BUDGET, "tools": [TOOL]}).json()
        kept = [block for block in first["content"] if block["type"] == "tool_use"]
        answer = {"type": "tool_result", "tool_use_id": identity, "content": "x"}
        again = turns(user("x"), assistant(*kept), user(answer))
        assert post(sandbox, {"thinking": ADAPTIVE, "tools": [TOOL], **again}).status_code == status


def test_validation_can_be_switched_off() -> None:
    with Sandbox(validate=False) as sandbox:
        assert post(sandbox, {"anything": 1, "temperature": 9}).status_code == 200
