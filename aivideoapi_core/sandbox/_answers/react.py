"""Text-only agents: the Thought / Action / Action Input form. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core.sandbox._answers.tool_rules import plan_calls, ready_calls
from aivideoapi_core.sandbox._answers.view import as_text

_TOOL: Final = re.compile(r"> Tool Name: (.+?)\nTool Description: (.*?)\nTool Args: (\{.*?\})\n", re.DOTALL)
_ACTION: Final = re.compile(r"^Action: *(\S+)", re.MULTILINE)
_OBSERVATION: Final = re.compile(r"^Observation: *(.*)", re.DOTALL)


def react_answer(body: Mapping[str, Any]) -> str | None:
    """The next step in that form, if the prompt asks for it, else ``None``."""
    texts = [(str(message["role"]), _text(message.get("content"))) for message in body.get("messages") or ()]
    header = "\n".join([_text(body.get("system") or ""), *(text for _, text in texts[:1])])
    if "Action Input:" not in header or "> Tool Name:" not in header:
        return None
    tools = [
        {"name": name.strip(), "description": told.strip(), "input_schema": _schema(args)}
        for name, told, args in _TOOL.findall(header)
    ]
    question, made, results = "", [], []
    for role, text in texts:
        if role == "assistant":
            made.extend(_ACTION.findall(text))
        elif match := _OBSERVATION.match(text.strip()):
            results.append(match.group(1).strip())
        elif text.strip() and "> Tool Name:" not in text:
            question, made, results = text.strip(), [], []
    calls = ready_calls(
        plan_calls(question, tools), made=made, results=results, question=question, parallel=False
    )
    if calls:
        arguments = json.dumps(calls[0]["input"], ensure_ascii=False)
        return (
            "Thought: The current language of the user is: English. I need to use a tool to help me answer the "
            f"question.\nAction: {calls[0]['name']}\nAction Input: {arguments}"
        )
    answer = "; ".join(as_text(result) for result in results) or "the sandbox has no tool for this question."
    return f"Thought: I can answer without using any more tools. I'll use the user's language to answer\nAnswer: {answer}"


def _schema(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {"type": "object"}
    return parsed if isinstance(parsed, dict) else {"type": "object"}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(block["text"]) for block in content or () if block.get("type") == "text")
