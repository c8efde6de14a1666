"""Validation of ``system`` and ``messages``: roles, and what has to stand where: tool results, thinking, the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aivideoapi_core.sandbox._judge.blocks import THINKING, check_block, check_text
from aivideoapi_core.sandbox._judge.checks import require_list, require_mapping, require_string
from aivideoapi_core.sandbox._judge.signatures import is_own
from aivideoapi_core.sandbox._platform.errors import bad_request

_SERVER_CALLS: Final = frozenset(["server_tool_use", "mcp_tool_use"])

Turn = tuple[str, list[tuple[str, Mapping[str, Any]]]]  # role, [(path, block)]


def check_system(system: Any) -> None:
    """A string or text blocks."""
    if system is None or isinstance(system, str):
        return
    for number, block in enumerate(require_list(system, "system")):
        path = f"system.{number}"
        if require_mapping(block, path).get("type") != "text":
            raise bad_request(f"{path}.type: Input should be 'text'")
        check_text(block, path)


def check_messages(
    body: Mapping[str, Any], *, prefill: bool, system_turns: bool, thought: Mapping[str, bool]
) -> None:
    """Everything about ``messages``. Neighbours of one role count as one turn, as they are merged.

    ``thought`` says of each tool use id that this sandbox gave out whether thinking came before it.
    """
    messages = require_list(body.get("messages"), "messages")
    if not messages:
        raise bad_request("messages: at least one message is required")
    turns: list[Turn] = []
    for number, message in enumerate(messages):
        path = f"messages.{number}"
        role, blocks = _checked_message(message, path, last=number + 1 == len(messages))
        if role == "system":
            if not system_turns:
                raise bad_request(f"{path}.role: system messages are not supported here, use `system`")
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    if not turns:
        raise bad_request("messages: at least one user message is required")
    _check_end(turns, body, prefill=prefill)
    _check_tool_flow(turns)
    _check_server_tools(turns)
    for role, blocks in turns:
        if role == "assistant":
            _check_last_block(blocks)
    if _thinking_on(body):
        always = (body.get("thinking") or {}).get("type") == "enabled"
        _check_thinking_kept(turns, always=always, thought=thought)


def _checked_message(
    message: Any, path: str, *, last: bool
) -> tuple[str, list[tuple[str, Mapping[str, Any]]]]:
    require_mapping(message, path)
    for field in message:
        if field not in ("role", "content"):
            raise bad_request(f"{path}.{field}: Extra inputs are not permitted")
    role = require_string(message.get("role"), f"{path}.role")
    if role not in ("user", "assistant", "system"):
        raise bad_request(f"{path}.role: Input should be 'user' or 'assistant'")
    content = message.get("content")
    may_be_empty = last and role == "assistant"
    if isinstance(content, str):
        if not content and may_be_empty:
            return role, []
        block = {"type": "text", "text": content}
        check_text(block, f"{path}.content", field="")
        return role, [(f"{path}.content", block)]
    blocks = require_list(content, f"{path}.content")
    if not blocks and not may_be_empty:
        raise bad_request(f"{path}.content: all messages must have non-empty content")
    paths = [f"{path}.content.{number}" for number in range(len(blocks))]
    for at, block in zip(paths, blocks, strict=True):
        check_block(block, at, role=role)
    return role, list(zip(paths, blocks, strict=True))


def _check_end(turns: Sequence[Turn], body: Mapping[str, Any], *, prefill: bool) -> None:
    """What an assistant turn at the end may look like: a prefill, or a paused turn to go on with."""
    role, blocks = turns[-1]
    if role != "assistant":
        return
    last_path, last = blocks[-1] if blocks else ("messages", {"type": "text", "text": ""})
    if any(_is_server_block(block) for _, block in blocks) or last["type"] == "compaction":
        return
    if not prefill:
        raise bad_request(
            "messages: This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
    if _thinking_on(body):
        raise bad_request("messages: an assistant turn at the end is not supported when thinking is enabled")
    if last.get("type") == "text" and last["text"] != last["text"].rstrip():
        raise bad_request(f"{last_path}: final assistant content cannot end with trailing whitespace")


def _is_server_block(block: Mapping[str, Any]) -> bool:
    return block.get("type") in _SERVER_CALLS or _is_server_result(block)


def _is_server_result(block: Mapping[str, Any]) -> bool:
    kind = str(block.get("type"))
    return kind.endswith("_tool_result") and kind != "tool_result"


def _check_tool_flow(turns: Sequence[Turn]) -> None:
    """Each tool_use is answered by exactly one tool_result, first in the very next turn."""
    seen: set[str] = set()
    open_ids: list[str] = []
    opened_at = ""
    for role, blocks in turns:
        if role == "user":
            _check_results(blocks, open_ids, opened_at=opened_at)
            open_ids = []
            continue
        uses = [(path, block["id"]) for path, block in blocks if block["type"] == "tool_use"]
        for path, use_id in uses:
            if use_id in seen:
                raise bad_request(f"{path}.id: `tool_use` ids must be unique")
            seen.add(use_id)
        open_ids = [use_id for _, use_id in uses]
        opened_at = uses[0][0] if uses else ""
    if open_ids:
        raise bad_request(
            f"{opened_at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            + ", ".join(open_ids)
        )


def _check_results(
    blocks: Sequence[tuple[str, Mapping[str, Any]]], open_ids: Sequence[str], *, opened_at: str
) -> None:
    answered: set[str] = set()
    other_seen = False
    for path, block in blocks:
        if block["type"] != "tool_result":
            other_seen = True
            continue
        use_id = block["tool_use_id"]
        if use_id not in open_ids:
            raise bad_request(
                f"{path}.tool_use_id: unexpected `tool_use_id` found in `tool_result` blocks: {use_id}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if use_id in answered:
            raise bad_request(
                f"{path}.tool_use_id: each tool_use must have a single result, {use_id} has two"
            )
        if other_seen:
            raise bad_request(f"{path}: `tool_result` blocks must come first in the user turn")
        answered.add(use_id)
    missing = [use_id for use_id in open_ids if use_id not in answered]
    if missing:
        raise bad_request(
            f"{opened_at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            + ", ".join(missing)
        )


def _check_last_block(blocks: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    if blocks and blocks[-1][1]["type"] in THINKING:
        raise bad_request(f"{blocks[-1][0]}.type: the final block of an assistant turn cannot be thinking")


def _check_server_tools(turns: Sequence[Turn]) -> None:
    """Each call of a server tool has its result, unless it is still to come; no result is without call."""
    answered = {
        block.get("tool_use_id") for _, blocks in turns for _, block in blocks if _is_server_result(block)
    }
    called: set[Any] = set()
    for number, (role, blocks) in enumerate(turns):
        for path, block in blocks if role == "assistant" else ():
            if block["type"] in _SERVER_CALLS:
                called.add(block.get("id"))
                if block.get("id") not in answered and not _is_to_come(turns, number, block):
                    raise bad_request(
                        f"{path}: `{block['type']}` {block.get('id')} was found without a corresponding result block"
                    )
            elif _is_server_result(block) and block.get("tool_use_id") not in called:
                raise bad_request(f"{path}.tool_use_id: unexpected `tool_use_id` in `{block['type']}`")


def _is_to_come(turns: Sequence[Turn], number: int, call: Mapping[str, Any]) -> bool:
    """At the end the server goes on; so it does once its code has what it waits for from the caller's tools."""
    if number == len(turns) - 1:
        return True
    waiting = [
        block for _, block in turns[-2][1] if (block.get("caller") or {}).get("tool_id") == call.get("id")
    ]
    return bool(waiting) and all(block["type"] == "tool_result" for _, block in turns[-1][1])


def _check_thinking_kept(turns: Sequence[Turn], *, always: bool, thought: Mapping[str, bool]) -> None:
    """In the open tool loop, a turn that thought before its tool uses must come back with the thinking."""
    for number, (role, blocks) in enumerate(_open_loop(turns)):
        uses = [str(block["id"]) for _, block in blocks if block["type"] == "tool_use"]
        if role != "assistant" or not uses:
            continue
        path, first = blocks[0]
        needed = any(thought.get(use, always and number == 0) for use in uses)
        if needed and first["type"] not in THINKING:
            raise bad_request(
                f"{path}.type: Expected `thinking` or `redacted_thinking`, but found `{first['type']}`. When "
                "thinking is on, an assistant turn that uses tools must start with its thinking block."
            )
        for at, block in blocks:
            if block["type"] == "thinking" and not is_own(block["signature"]):
                raise bad_request(f"{at}.signature: Invalid `signature` in `thinking` block")


def _open_loop(turns: Sequence[Turn]) -> Sequence[Turn]:
    """The turns after the last user turn that is no tool result."""
    for number in range(len(turns) - 1, -1, -1):
        role, blocks = turns[number]
        if role == "user" and not any(block["type"] == "tool_result" for _, block in blocks):
            return turns[number + 1 :]
    return turns


def _thinking_on(body: Mapping[str, Any]) -> bool:
    thinking = body.get("thinking")
    if isinstance(thinking, Mapping):
        return thinking.get("type") in ("enabled", "adaptive")
    return body.get("thinkingFlag") is True
