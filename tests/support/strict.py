"""A strict reader of requests: the official format's written rules, transcribed apart from the code they judge.

``complaints`` lists what a server would refuse in a request's body. Source: the official documentation and the
official SDK's parameter types, November 2026. Written for tests; it shares no line with what it reads.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

_PROPERTY: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_TOOL: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_MAGIC: Final = {
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
    "application/pdf": b"%PDF",
}
_KEYS: Final = {
    "text": {"text", "citations"},
    "image": {"source"},
    "document": {"source", "title", "context", "citations"},
    "search_result": {"source", "title", "content", "citations"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_use": {"id", "name", "input", "caller", "toolset_name"},
    "tool_result": {"tool_use_id", "content", "is_error", "toolset_name"},
    "server_tool_use": {"id", "name", "input", "caller"},
    "mcp_tool_use": {"id", "name", "input", "server_name"},
    "tool_reference": {"tool_name"},
    "container_upload": {"file_id"},
}
_SOURCES: Final = {
    "base64": {"media_type", "data"},
    "url": {"url"},
    "file": {"file_id"},
    "text": {"media_type", "data"},
    "content": {"content"},
}
_TOOL_KEYS: Final = {
    *("type", "name", "description", "input_schema", "strict", "input_examples", "defer_loading"),
    *("eager_input_streaming", "allowed_callers", "cache_control"),
}
_NOT_STRICT: Final = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    *("maxItems", "uniqueItems", "contains", "minContains", "maxContains", "patternProperties"),
    *("propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas"),
    *("unevaluatedProperties", "unevaluatedItems", "prefixItems", "oneOf", "not", "if", "then", "else", "pattern"),
}  # fmt: skip
_FORMATS: Final = {
    *("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"),
}
_LIMIT: Final = 5 * 1024 * 1024


def complaints(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with a body, each with its place; empty if nothing is."""
    return [
        *_texts(body, "body"),
        *_tools(body),
        *_choice(body),
        *_output(body),
        *_turns(body),
        *_marks(body),
        *_citations(body),
    ]


def _texts(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, str):
        if re.search("[\ud800-\udfff]", value):
            yield f"{place}: lone surrogate"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(name, f"{place} key")
            yield from _texts(item, f"{place}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{place}[{number}]")
    elif isinstance(value, float) and value not in (float("inf"), float("-inf")) and value == value:
        return
    elif isinstance(value, float):
        yield f"{place}: {value} is no JSON"


# Tools.


def _tools(body: Mapping[str, Any]) -> Iterator[str]:
    tools = body.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list) or not tools:
        yield f"tools: {tools!r}"
        return
    names = [tool.get("name") for tool in tools]
    if len(set(names)) < len(names):
        yield f"tools: names must be unique: {names}"
    for number, tool in enumerate(tools):
        place = f"tools[{number}]"
        if tool.get("defer_loading") and tool.get("cache_control"):
            yield f"{place}: a breakpoint on a deferred tool"
        if tool.get("type", "custom") != "custom":
            continue
        if extra := set(tool) - _TOOL_KEYS:
            yield f"{place}: extra {sorted(extra)}"
        if not isinstance(tool.get("name"), str) or not _TOOL.fullmatch(tool["name"]):
            yield f"{place}.name: {tool.get('name')!r}"
        if not isinstance(tool.get("description", ""), str):
            yield f"{place}.description: {tool['description']!r}"
        for name in ("strict", "defer_loading", "eager_input_streaming"):
            if name in tool and not isinstance(tool[name], bool):
                yield f"{place}.{name}: {tool[name]!r}"
        schema = tool.get("input_schema")
        yield from _schema(schema, f"{place}.input_schema")
        if tool.get("strict") and isinstance(schema, dict):
            yield from _strict(schema, f"{place}.input_schema", schema, ())
        examples = tool.get("input_examples", [])
        if isinstance(schema, dict) and not list(_schema(schema, "")):
            for example in examples:
                for error in Draft202012Validator(schema).iter_errors(example):
                    yield f"{place}.input_examples: {error.message}"


def _schema(schema: Any, place: str) -> Iterator[str]:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield f"{place}: must be of type object: {schema!r}"
        return
    if found := schema.keys() & {"oneOf", "anyOf", "allOf"}:
        yield f"{place}: {sorted(found)} at the root"
    try:
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        yield f"{place}: not draft 2020-12: {error.json_path} {error.message}"
        return
    yield from _named(schema, place, schema)


def _named(node: Any, place: str, root: Any) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    for name in node.get("properties", {}):
        if not _PROPERTY.fullmatch(name):
            yield f"{place}.properties: name {name!r}"
    reference = node.get("$ref")
    if isinstance(reference, str) and _target(reference, root) is None:
        yield f"{place}.$ref: {reference!r} leads nowhere"
    for pattern in node.get("patternProperties", {}):
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{place}.patternProperties: {error}"
    for key in ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions"):
        for name, child in node.get(key, {}).items():
            yield from _named(child, f"{place}.{key}.{name}", root)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, child in enumerate(node.get(key, [])):
            yield from _named(child, f"{place}.{key}[{number}]", root)
    for key in ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"):
        yield from _named(node.get(key), f"{place}.{key}", root)


def _target(reference: str, root: Any) -> Any:
    if not reference.startswith("#"):
        return None
    node = root
    for part in reference.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        node = (
            node[int(part)] if isinstance(node, list) else node.get(part) if isinstance(node, dict) else None
        )
    return node


def _strict(node: Any, place: str, root: Any, above: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(node, dict):
        yield f"{place}: {node!r} is no object"
        return
    if found := node.keys() & _NOT_STRICT:
        yield f"{place}: {sorted(found)} in a strict schema"
    if node.get("format") not in (None, *_FORMATS):
        yield f"{place}.format: {node['format']!r}"
    if node.get("minItems", 0) not in (0, 1):
        yield f"{place}.minItems"
    if any(isinstance(value, (dict, list)) for value in node.get("enum", ())):
        yield f"{place}.enum: not plain"
    kinds = node.get("type", [])
    if "object" in (kinds if isinstance(kinds, list) else [kinds]) or "properties" in node:
        if node.get("additionalProperties") is not False:
            yield f"{place}: not closed"
        if unknown := set(node.get("required", [])) - set(node.get("properties", {})):
            yield f"{place}.required: {sorted(unknown)} has no schema"
    reference = node.get("$ref")
    if reference is not None:
        if reference in above or reference == "#":
            yield f"{place}: recursion at {reference}"
            return
        yield from _strict(_target(reference, root), f"{place}->{reference}", root, (*above, reference))
    elif not node.keys() & {"type", "enum", "const", "anyOf", "allOf"}:
        yield f"{place}: any value"
    for name, child in node.get("properties", {}).items():
        yield from _strict(child, f"{place}.{name}", root, above)
    if "items" in node:
        yield from _strict(node["items"], f"{place}[]", root, above)
    for key in ("anyOf", "allOf"):
        for number, child in enumerate(node.get(key, [])):
            yield from _strict(child, f"{place}.{key}[{number}]", root, above)
    for key in ("$defs", "definitions"):
        for name, child in node.get(key, {}).items():
            yield from _strict(child, f"{place}.{key}.{name}", root, (*above, f"#/{key}/{name}"))


def _choice(body: Mapping[str, Any]) -> Iterator[str]:
    choice = body.get("tool_choice")
    if choice is None:
        return
    tools = body.get("tools") or []
    if not tools and not body.get("mcp_servers"):
        yield "tool_choice without tools"
    if choice.get("type") not in ("auto", "any", "tool", "none"):
        yield f"tool_choice: {choice}"
    if choice.get("type") == "tool" and choice.get("name") not in [tool.get("name") for tool in tools]:
        yield f"tool_choice: {choice} is none of the tools"
    budget = body.get("thinkingFlag") is True or (body.get("thinking") or {}).get("type") == "enabled"
    if choice.get("type") in ("any", "tool") and budget:
        yield "tool_choice: forced while thinking has a budget"


def _output(body: Mapping[str, Any]) -> Iterator[str]:
    wanted = (body.get("output_config") or {}).get("format")
    if wanted is not None:
        if set(wanted) != {"type", "schema"} or wanted["type"] != "json_schema":
            yield f"output_config.format: {wanted}"
        yield from _schema(wanted["schema"], "output_config.format.schema")
        yield from _strict(wanted["schema"], "output_config.format.schema", wanted["schema"], ())


# Turns.


def _turns(body: Mapping[str, Any]) -> Iterator[str]:
    system = body.get("system")
    if system is not None:
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        for number, block in enumerate(blocks):
            if block.get("type") != "text":
                yield f"system[{number}]: {block.get('type')}"
            yield from _block(block, f"system[{number}]")
    turns = body["messages"]
    if not turns:
        yield "messages: none"
        return
    seen: set[str] = set()
    due: list[str] = []
    for number, turn in enumerate(turns):
        place, role = f"messages[{number}]", turn["role"]
        if set(turn) != {"role", "content"} or role not in ("user", "assistant"):
            yield f"{place}: {sorted(turn)} {role}"
        if number and turns[number - 1]["role"] == role:
            yield f"{place}: two turns of {role}"
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not blocks:
            yield f"{place}: empty"
        for at, block in enumerate(blocks):
            where = f"{place}[{at}]"
            yield from _block(block, where)
            kind = block.get("type", "")
            if role == "user" and kind in ("thinking", "redacted_thinking", "tool_use", "server_tool_use"):
                yield f"{where}: {kind} in a user's turn"
            if role == "assistant" and kind in ("tool_result", "image", "document", "search_result"):
                yield f"{where}: {kind} in an assistant's turn"
        if role == "user":
            got = [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
            if sorted(got) != sorted(due):
                yield f"{place}: results {got} for calls {due}"
            if any(block.get("type") != "tool_result" for block in blocks[: len(got)]):
                yield f"{place}: results do not come first"
            for block in blocks[: len(got)]:
                yield from _result(block, place)
            due = []
        else:
            due = [block["id"] for block in blocks if block.get("type") == "tool_use"]
            if set(due) & seen or len(set(due)) < len(due):
                yield f"{place}: ids used twice: {due}"
            seen |= set(due)
            if blocks and blocks[-1].get("type") in ("thinking", "redacted_thinking"):
                yield f"{place}: ends in thinking"
            calls = {
                block["id"] for block in blocks if block.get("type") in ("server_tool_use", "mcp_tool_use")
            }
            results = {
                block["tool_use_id"]
                for block in blocks
                if block.get("type", "").endswith("_tool_result")
            }  # fmt: skip
            if results - calls:
                yield f"{place}: server results {results} for {calls}"
            if calls - results and number < len(turns) - 2:
                yield f"{place}: server calls {calls} without results"
    if due:
        yield f"messages: calls {due} at the end"
    last = turns[-1]
    if last["role"] == "assistant":
        content = last["content"]
        text = content if isinstance(content, str) else content[-1].get("text", "x")
        if text != text.rstrip():
            yield "messages: blanks at the end of a prefill"


def _citations(body: Mapping[str, Any]) -> Iterator[str]:
    cited: dict[str, set[bool]] = {}
    for block in _everything(turn["content"] for turn in body["messages"]):
        if block.get("type") in ("document", "search_result"):
            cited.setdefault(block["type"], set()).add(bool((block.get("citations") or {}).get("enabled")))
    for kind, found in cited.items():
        if len(found) > 1:
            yield f"citations: on for some {kind}s"
    if "format" in (body.get("output_config") or {}) and any(True in found for found in cited.values()):
        yield "citations: beside output_config.format"


def _everything(contents: Any) -> Iterator[Mapping[str, Any]]:
    for content in contents:
        for block in content if isinstance(content, list) else ():
            yield block
            yield from _everything([block.get("content")])


def _result(block: Mapping[str, Any], place: str) -> Iterator[str]:
    content = block.get("content")
    kinds = {part["type"] for part in content} if isinstance(content, list) else set()
    if block.get("is_error") and (not content or kinds - {"text"}):
        yield f"{place}: a failed result holds {content!r}"
    if "search_result" in kinds and len(kinds) > 1:
        yield f"{place}: a result mixes {sorted(kinds)}"


def _block(block: Any, place: str) -> Iterator[str]:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        yield f"{place}: {block!r} is no block"
        return
    kind = block["type"]
    keys = _KEYS.get(kind)
    if keys is None:
        if not kind.endswith("_tool_result") and kind not in ("compaction", "tool_addition", "tool_removal"):
            yield f"{place}: unknown type {kind!r}"
        return
    allowed = keys | {"type"} | (set() if "thinking" in kind else {"cache_control"})
    if extra := set(block) - allowed:
        yield f"{place}: extra {sorted(extra)}"
    if kind == "text":
        if not isinstance(block.get("text"), str) or not block["text"].strip():
            yield f"{place}: blank text {block.get('text')!r}"
        for citation in block.get("citations") or ():
            if "file_id" in citation or not isinstance(citation.get("type"), str):
                yield f"{place}: citation {citation}"
    elif kind in ("image", "document"):
        yield from _source(block, place)
    elif kind == "search_result":
        if not all(isinstance(block.get(key), str) and block[key] for key in ("source", "title")):
            yield f"{place}: source or title missing"
        if not block.get("content") or any(part.get("type") != "text" for part in block["content"]):
            yield f"{place}: content"
        for number, part in enumerate(block.get("content") or ()):
            yield from _block(part, f"{place}.content[{number}]")
    elif kind == "thinking":
        if not isinstance(block.get("thinking"), str) or not block.get("signature"):
            yield f"{place}: thinking without signature"
    elif kind == "tool_use":
        if not isinstance(block.get("id"), str) or not _ID.fullmatch(block["id"]):
            yield f"{place}.id: {block.get('id')!r}"
        if not isinstance(block.get("name"), str) or not _TOOL.fullmatch(block["name"]):
            yield f"{place}.name: {block.get('name')!r}"
        if not isinstance(block.get("input"), dict):
            yield f"{place}.input: {block.get('input')!r}"
    elif kind == "tool_result":
        if not isinstance(block.get("is_error", False), bool):
            yield f"{place}.is_error"
        content = block.get("content", "")
        if isinstance(content, list):
            for number, part in enumerate(content):
                if part.get("type") not in ("text", "image", "document", "search_result", "tool_reference"):
                    yield f"{place}.content[{number}]: {part.get('type')}"
                yield from _block(part, f"{place}.content[{number}]")
        elif not isinstance(content, str):
            yield f"{place}.content: {content!r}"


def _source(block: Mapping[str, Any], place: str) -> Iterator[str]:
    source = block.get("source")
    keys = _SOURCES.get(source.get("type", "")) if isinstance(source, dict) else None
    if keys is None or set(source) != keys | {"type"}:
        yield f"{place}.source: {json.dumps(source)[:200]}"
        return
    kind = source["type"]
    for name, longest in (("title", 500), ("context", 1_000_000)):
        value = block.get(name)
        if value is not None and (not isinstance(value, str) or not 0 < len(value) <= longest):
            yield f"{place}.{name}: {value!r}"
    if block["type"] == "image" and kind not in ("base64", "url", "file"):
        yield f"{place}.source: {kind} for an image"
    if kind == "url" and not re.fullmatch(r"https?://[^\s]+", source["url"]):
        yield f"{place}.source.url: {source['url']!r}"
    if kind == "text" and (source["media_type"] != "text/plain" or not source["data"].strip()):
        yield f"{place}.source: text"
    if kind == "base64":
        wanted = ("application/pdf",) if block["type"] == "document" else tuple(_MAGIC)[:4]
        if source["media_type"] not in wanted:
            yield f"{place}.source.media_type: {source['media_type']!r}"
            return
        try:
            data = base64.b64decode(source["data"], validate=True)
        except ValueError as error:
            yield f"{place}.source.data: {error}"
            return
        if not data.startswith(_MAGIC[source["media_type"]]):
            yield f"{place}.source.data: not {source['media_type']}"
        if len(data) > _LIMIT and block["type"] == "image":
            yield f"{place}.source.data: too large"


def _marks(body: Mapping[str, Any]) -> Iterator[str]:
    found = list(_found_marks([body.get("tools"), body.get("system"), body["messages"]]))
    if body.get("cache_control"):
        found.append(body["cache_control"])
    if len(found) > 4:
        yield f"{len(found)} breakpoints"
    for mark in found:
        if not isinstance(mark, dict) or mark.get("type") != "ephemeral" or set(mark) - {"type", "ttl"}:
            yield f"cache_control: {mark}"
        elif mark.get("ttl", "5m") not in ("5m", "1h"):
            yield f"cache_control.ttl: {mark}"


def _found_marks(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _found_marks(item)
    elif isinstance(value, dict):
        yield from _found_marks(value.get("content"))
        if value.get("cache_control") is not None:
            yield value["cache_control"]
