"""The rules: which kind of reply a request gets. The order below is the order of preference. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core.sandbox._answers.facts import facts_of
from aivideoapi_core.sandbox._answers.fill import Filler
from aivideoapi_core.sandbox._answers.formats import formatted_answer, small_talk
from aivideoapi_core.sandbox._answers.passages import (
    Context,
    Passage,
    answer_blocks,
    answer_text,
    best_sentences,
    context_of,
)
from aivideoapi_core.sandbox._answers.react import react_answer
from aivideoapi_core.sandbox._answers.tool_rules import forced_call, plan_calls, ready_calls
from aivideoapi_core.sandbox._answers.view import View, as_text, view_of
from aivideoapi_core.sandbox._answers.words import overlap, sentences
from aivideoapi_core.sandbox._script.replies import Reply

_LONG_RESULT: Final = 400
_GREETING: Final = re.compile(r"^\s*(?:hello|hi|hey|good (?:morning|afternoon|evening))\b", re.IGNORECASE)
_SENTENCE: Final = re.compile(r"^\S+\s+\S+\s.*[.!?]$", re.DOTALL)
"""Three words or more with a full stop: a result that needs no name in front of it to be understood."""
_HONEST: Final = "I am the AI Video API sandbox; I answer by rules and no model is behind me."


def rule_made_reply(body: Mapping[str, Any]) -> Reply:
    """The reply to a validated request. Deterministic: the same request always gets the same reply."""
    view = view_of(body)
    uses = _tool_uses(view)
    if uses:
        names = " and ".join(str(use["name"]) for use in uses)
        return Reply(
            thinking=_thinking(view, f"{names} fits the question, so I call it.") if view.thinks else None,
            text=None if view.choice in ("any", "tool") else f"Let me use {names}.",
            tool_uses=uses,
        )
    blocks = _blocks(view, body)
    thinking = _thinking(view, "I can answer with what I have.") if view.thinks else None
    if thinking is not None:
        return Reply(thinking=thinking, content=blocks)
    return Reply(content=blocks)


def _tool_uses(view: View) -> list[dict[str, Any]]:
    if not view.tools or view.choice == "none":
        return []
    custom = [tool for tool in view.tools if tool.get("type") in (None, "custom")]
    plan = plan_calls(view.question, custom)
    ready = ready_calls(
        plan, made=view.made, results=view.results, question=view.question, parallel=view.parallel
    )
    if view.choice == "auto":
        return [] if view.failed else ready
    allowed = [call for call in ready if view.chosen in (None, call["name"])]
    if allowed:
        return allowed
    told = "\n".join([view.question, *view.results])
    forced = forced_call(view.question, view.tools, name=view.chosen, made=view.made, context=told)
    return [forced] if forced is not None else []


def _blocks(view: View, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    if view.schema is not None:
        return [_text(json.dumps(_filled(view, view.schema), ensure_ascii=False))]
    prompt = f"{view.system}\n\n{view.question}" if view.system else view.question
    answer = react_answer(body) or formatted_answer(view.question) or formatted_answer(prompt)
    if answer is not None:
        return [_text(answer)]
    if view.results:
        return [_text(_from_results(view))]
    context = context_of(view)
    if context is not None:
        return answer_blocks(context)
    return [_text(_plain(view))]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _filled(view: View, schema: Mapping[str, Any]) -> Any:
    """A value for the schema from the passages, the results, or the question itself."""
    context = context_of(view)
    told = [*view.results]
    if context is not None:
        told.extend(found.text for found in best_sentences(context.question, context.passages))
    told.append(view.question)
    return Filler(facts_of("\n".join(told)), schema, subject=view.question).fill(schema)


def _from_results(view: View) -> str:
    """Answer from what the tools returned: short results as they are, long ones by their best sentences."""
    if view.failed:
        return f"The tool {view.made[-1] if view.made else ''} failed: {view.results[-1].strip()}".strip()
    parts = []
    for name, result in zip([*view.made, *[""] * len(view.results)], view.results, strict=False):
        if len(result) > _LONG_RESULT:
            parts.append(answer_text(Context((Passage(result),), view.question)))
        else:
            told = as_text(result) or "nothing"
            bare = len(view.results) > 1 and name and not _SENTENCE.search(told)
            parts.append(f"{name}: {told}" if bare else told)
    joined = "\n".join(parts)
    return joined if len(parts) > 1 or len(joined) > 60 else f"The answer is: {joined}"


def _plain(view: View) -> str:
    talk = small_talk(view.question)
    if talk is not None:
        return talk
    remembered = _remembered(view)
    if remembered is not None:
        return remembered
    seen = []
    if view.images:
        seen.append(f"I received {view.images} image(s), which I cannot see.")
    if view.binaries:
        seen.append(f"I received {view.binaries} document(s) in a form that I cannot read.")
    if _GREETING.match(view.question) and not seen:
        return f"Hello! {_HONEST} How can I help you?"
    line = " ".join(view.question.split())
    asked = f" You said: {line if len(line) <= 200 else line[:197] + '...'}" if line else ""
    return " ".join([_HONEST, *seen]) + asked


def _remembered(view: View) -> str | None:
    """What the user said earlier, if the question is about it (``What is my name?``)."""
    if not re.search(r"\b(?:my|I|me|earlier|before)\b", view.question) or "?" not in view.question:
        return None
    told = [text for turn in view.earlier for _, text in sentences(turn) if "?" not in text]
    fitting = [text for text in told if overlap(view.question, text) >= 0.5]
    return f"You told me: {fitting[-1]}" if fitting else None


def _thinking(view: View, conclusion: str) -> str:
    line = " ".join(view.question.split())
    asked = line if len(line) <= 240 else f"{line[:237]}..."
    seen = f"Results of {len(view.results)} tool call(s) are there. " if view.results else ""
    offered = f"{len(view.tools)} tool(s) are offered. " if view.tools else ""
    return f"The user asks: {asked} {offered}{seen}{conclusion}"
