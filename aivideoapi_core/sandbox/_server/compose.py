"""From a reply (scripted, or made by the rules) to a finished answer with ids, signatures, usage, price."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from aivideoapi_core.sandbox._judge.signatures import sign
from aivideoapi_core.sandbox._platform.catalog import ModelRules, charge_micro, is_native
from aivideoapi_core.sandbox._script.replies import Reply
from aivideoapi_core.sandbox._server.books import as_json_number, reported_credits
from aivideoapi_core.sandbox._server.render import Answer
from aivideoapi_core.sandbox._server.tokens import block_tokens, output_tokens

Json = dict[str, Any]
NewId = Callable[[str], str]

_CHARACTERS_PER_TOKEN: Final = 3.5


def blocks_of(reply: Reply, *, new_id: NewId, hide_thinking: bool = False) -> list[Json]:
    """The content blocks of a reply, signed and with ids."""
    blocks: list[Json] = []
    if reply.thinking is not None:
        visible = "" if hide_thinking else reply.thinking
        signature = sign(visible, reply.thinking)
        blocks.append({"type": "thinking", "thinking": visible, "signature": signature})
    if reply.redacted_thinking is not None:
        blocks.append({"type": "redacted_thinking", "data": reply.redacted_thinking})
    text = reply.text
    if text is None and reply.pieces is not None and not isinstance(reply.pieces, int):
        text = "" if reply.tool_uses else "".join(reply.pieces)
    if text:
        blocks.append({"type": "text", "text": text})
    blocks.extend(dict(block) for block in reply.content or ())
    for use in reply.tool_uses:
        name, arguments = use["name"], use.get("input", {})
        blocks.append(
            {"type": "tool_use", "id": use.get("id") or new_id("toolu"), "name": name, "input": arguments}
        )
    return blocks


def limited(blocks: list[Json], body: Mapping[str, Any]) -> tuple[list[Json], str, str | None]:
    """Apply ``stop_sequences``, then ``max_tokens``: (blocks, stop_reason, stop_sequence)."""
    blocks, found = _stopped(blocks, body.get("stop_sequences") or ())
    reason = "stop_sequence" if found is not None else "end_turn"
    if found is None and any(block["type"] == "tool_use" for block in blocks):
        reason = "tool_use"
    maximum = body.get("max_tokens")
    if isinstance(maximum, int) and output_tokens(blocks)[0] > maximum:
        return _cut(blocks, maximum), "max_tokens", None
    return blocks, reason, found


def finish(
    reply: Reply,
    blocks: list[Json],
    *,
    stop: tuple[str, str | None],
    input_usage: Mapping[str, Any],
    requested: str,
    rules: ModelRules,
    message_id: str,
) -> tuple[Answer, int | None]:
    """The answer, and its exact charge in microcredits (``None``: the model has no price)."""
    total, thinking = output_tokens(blocks)
    usage: Json = {**input_usage, "output_tokens": max(total, 1) if blocks else 0, "service_tier": "standard"}
    if thinking:
        usage["output_tokens_details"] = {"thinking_tokens": thinking}
    usage.update(reply.usage or {})
    charge = charge_micro(usage, requested, rules.prices)
    answer = Answer(
        id=message_id,
        model=reply.model or requested,
        content=blocks,
        stop_reason=reply.stop_reason or stop[0],
        stop_sequence=reply.stop_sequence if reply.stop_sequence is not None else stop[1],
        usage=usage,
        style=reply,
    )
    if is_native(requested):
        return replace(answer, credits_consumed=_reported(reply, charge)), charge
    return answer, charge


def scripted_stop(reply: Reply, blocks: list[Json]) -> tuple[str, str | None]:
    """Stop reason of a scripted reply that names none."""
    if reply.stop_sequence is not None:
        return "stop_sequence", reply.stop_sequence
    return ("tool_use" if any(block.get("type") == "tool_use" for block in blocks) else "end_turn"), None


def _reported(reply: Reply, charge: int | None) -> int | float | None:
    if reply.credits is not None:
        return as_json_number(Decimal(str(reply.credits)))
    return None if charge is None else as_json_number(reported_credits(charge))


def _stopped(blocks: list[Json], sequences: Any) -> tuple[list[Json], str | None]:
    """Cut the answer before the first stop sequence in its text."""
    for number, block in enumerate(blocks):
        if block["type"] != "text":
            continue
        hits = [(block["text"].find(item), item) for item in sequences if item in block["text"]]
        if hits:
            position, item = min(hits)
            kept = blocks[:number]
            if position:
                kept = [*kept, {**block, "text": block["text"][:position]}]
            return kept, item
    return blocks, None


def _cut(blocks: list[Json], maximum: int) -> list[Json]:
    """Keep ``maximum`` tokens; the last block may end inside a word, or inside a tool's JSON."""
    kept: list[Json] = []
    left = maximum
    for block in blocks:
        tokens = block_tokens(block)
        if tokens <= left:
            kept.append(block)
            left -= tokens
            continue
        characters = int(left * _CHARACTERS_PER_TOKEN)
        if characters and (part := _part_of(block, characters)):
            kept.append(part)
        break
    return kept


def _part_of(block: Json, characters: int) -> Json | None:
    match block["type"]:
        case "text":
            return {**block, "text": block["text"][:characters]}
        case "thinking":
            visible = block["thinking"][:characters]
            return {**block, "thinking": visible, "signature": sign(visible)}
        case "tool_use":
            arguments = json.dumps(block["input"], ensure_ascii=False)
            part = arguments[: max(characters - len(block["name"]), 0)]
            return {**block, "input": part}
        case _:
            return None
