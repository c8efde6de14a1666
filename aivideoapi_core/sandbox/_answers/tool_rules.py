"""Rules for tools: which to call for a question, and with what arguments. Pure.

The question is cut into clauses; each clause goes to the tool whose name, parameters and
description it shares most words with. The plan depends on the question alone, so the calls already
made can be crossed off and no conversation goes round in circles.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aivideoapi_core.sandbox._answers.facts import Facts, facts_of
from aivideoapi_core.sandbox._answers.fill import Filler
from aivideoapi_core.sandbox._answers.words import STOPWORDS, terms, words

_CLAUSE_END: Final = re.compile(
    r"[?!;]\s+|\.\s+(?=[A-Z])|,?\s+\b(?:and then|and also|and|then|also|as well as|after that)\b\s+|,\s+"
)
_COMMA_IN_NAME: Final = re.compile(
    r"(?<=\w),(?= (?:[A-Z]{2}\b|USA|France|Germany|Italy|Spain|Japan|England|Canada))"
)
_BACK_REFERENCE: Final = re.compile(
    r"\b(?:result|answer|that|it|the (?:sum|product|total|difference|quotient))\b", re.I
)
_ASKS_FOR_TOOL: Final = re.compile(
    r"\b(?:us(?:e|ing)|with|call|run|invoke)\s+(?:the|a|an|your|this|that)?\s*\w*\s*tools?\b", re.I
)
_QUESTION: Final = re.compile(
    r"\?|^\s*(?:what|who|where|when|why|how|which|tell me|explain)\b", re.IGNORECASE
)
_SEARCHES: Final = re.compile(
    r"search|look.?up|retriev|knowledge|wiki|documents|query.?engine|database", re.IGNORECASE
)
_ENOUGH: Final = 1.0
_HIDDEN_COMMA: Final = "\u2e32"

Tool = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call that the question needs; ``later``: its input is the result of the call before it."""

    tool: Tool
    clause: str
    later: bool = False


def plan_calls(question: str, tools: Sequence[Tool]) -> list[PlannedCall]:
    """The calls a question needs, in order; empty if no tool fits it."""
    usable = [tool for tool in tools if isinstance(tool.get("input_schema"), Mapping)]
    if not usable:
        return []
    named = [tool for tool in usable if _is_named(tool, question)]
    plan = _plan_of_clauses(question, usable)
    if not plan and not named:
        plan = _searched(question, usable)
    missing = [tool for tool in named if all(call.tool is not tool for call in plan)]
    if not plan and not missing and len(usable) == 1 and _ASKS_FOR_TOOL.search(question):
        missing = usable
    if named and len(named) == 1 and not missing:
        plan = [call for call in plan if call.tool is named[0]] or plan
    return [*plan, *(PlannedCall(tool, question) for tool in missing)]


def ready_calls(
    plan: Sequence[PlannedCall], *, made: Sequence[str], results: Sequence[str], question: str, parallel: bool
) -> list[dict[str, Any]]:
    """The planned calls that are still to be made and can be made now: ``{"name", "input"}`` each.

    ``made`` are the names of the tools called since the question, ``results`` what they returned.
    """
    counts = Counter(made)
    ready: list[dict[str, Any]] = []
    for position, call in enumerate(plan):
        name = str(call.tool["name"])
        if counts[name] > 0:
            counts[name] -= 1
            continue
        if call.later and len(results) < position:
            break
        last = results[-1] if call.later and results else ""
        ready.append({"name": name, "input": arguments_for(call.tool, call.clause, question, earlier=last)})
        if not parallel:
            break
    return ready


def forced_call(
    question: str, tools: Sequence[Tool], *, name: str | None, made: Sequence[str], context: str = ""
) -> dict[str, Any] | None:
    """The one call that ``tool_choice`` any or tool demands; prefers a tool that was not called yet."""
    usable = [tool for tool in tools if tool.get("name") and (name is None or tool["name"] == name)]
    if not usable:
        return None
    fits = _fits(question, usable)
    order = sorted(range(len(usable)), key=lambda n: (usable[n]["name"] in made, -fits[n]))
    if name is None and made and fits[order[0]] < _ENOUGH:
        # After results, a tool that fits nothing asked for is most likely the form of the final answer.
        order.sort(key=lambda n: (usable[n]["name"] in made, n))
    tool = usable[order[0]]
    return {"name": tool["name"], "input": arguments_for(tool, context or question, question)}


def arguments_for(tool: Tool, clause: str, question: str, *, earlier: str = "") -> dict[str, Any]:
    """Arguments that satisfy the tool's schema, from the clause, then the whole question."""
    schema = tool.get("input_schema")
    if not isinstance(schema, Mapping):
        return {}
    facts = _joined_facts(clause, question, earlier, needs=_numbers_needed(schema))
    noise = frozenset(_weights(tool))
    filled = Filler(facts, schema, subject=clause, noise=noise).fill(schema)
    return filled if isinstance(filled, dict) else {}


def _joined_facts(clause: str, question: str, earlier: str, *, needs: int) -> Facts:
    """The clause's facts; what it has none of comes from the whole question, a result goes first."""
    own, whole = facts_of(clause), facts_of(question)
    alone = len(_clauses(question)) < 2 or clause not in question
    numbers = own.numbers
    if earlier:
        result = facts_of(earlier).numbers
        numbers = (*result[-1:], *own.numbers)
    if len(numbers) < needs:
        numbers = (*numbers, *(number for number in whole.numbers if number not in numbers))
    return Facts(
        text=clause if clause in question else question,
        numbers=numbers,
        quoted=own.quoted or (whole.quoted if alone else ()),
        names=own.names or (whole.names if alone else ()),
        places=own.places or whole.places,
        dates=own.dates or whole.dates,
        times=own.times or whole.times,
        emails=own.emails or whole.emails,
        urls=own.urls or whole.urls,
        expressions=own.expressions or whole.expressions,
        pairs={**whole.pairs, **own.pairs},
    )


def _searched(question: str, tools: Sequence[Tool]) -> list[PlannedCall]:
    """A question about something with a name goes to a tool that searches, if there is one."""
    facts = facts_of(question)
    if not (facts.entities and _QUESTION.search(question)):
        return []
    for tool in tools:
        if _SEARCHES.search(f"{tool.get('name')} {tool.get('description')}") and _strings_needed(
            tool["input_schema"]
        ):
            return [PlannedCall(tool, question)]
    return []


def _plan_of_clauses(question: str, tools: Sequence[Tool]) -> list[PlannedCall]:
    plan: list[PlannedCall] = []
    for clause in _clauses(question):
        fits = _fits(clause, tools)
        best = max(range(len(tools)), key=lambda n: fits[n])
        facts = facts_of(clause)
        if fits[best] < _ENOUGH:
            if plan and _continues(plan[-1], clause, facts):
                plan.append(PlannedCall(plan[-1].tool, f"{_lead_of(plan[-1].clause)} {clause}"))
            elif plan:
                plan[-1] = PlannedCall(plan[-1].tool, f"{plan[-1].clause} and {clause}", plan[-1].later)
            elif facts.numbers or facts.entities:
                plan.extend(_whole_question(question, tools))
                return plan
            continue
        tool = tools[best]
        schema = tool["input_schema"]
        short = len(facts.numbers) < _numbers_needed(schema)
        if (
            plan
            and plan[-1].tool is tool
            and (short or not facts.numbers)
            and not _has_new_entity(plan[-1], facts)
        ):
            plan[-1] = PlannedCall(tool, f"{plan[-1].clause} and {clause}", plan[-1].later)
            continue
        later = bool(plan) and short and bool(_BACK_REFERENCE.search(clause))
        plan.append(PlannedCall(tool, clause, later))
    return plan


def _whole_question(question: str, tools: Sequence[Tool]) -> list[PlannedCall]:
    fits = _fits(question, tools)
    best = max(range(len(tools)), key=lambda n: fits[n])
    return [PlannedCall(tools[best], question)] if fits[best] >= _ENOUGH else []


def _continues(call: PlannedCall, clause: str, facts: Facts) -> bool:
    """``… in Paris`` + ``London``: the same tool once more, if it takes one name and got one already."""
    schema = call.tool["input_schema"]
    if _numbers_needed(schema) or _has_list(schema) or not _strings_needed(schema):
        return False
    return bool(facts.entities) and bool(facts_of(call.clause).entities) and len(clause.split()) <= 6


def _has_new_entity(call: PlannedCall, facts: Facts) -> bool:
    known = set(facts_of(call.clause).entities)
    return any(entity not in known for entity in facts.entities) and not _has_list(call.tool["input_schema"])


def _lead_of(clause: str) -> str:
    """The clause without its names: ``What is the weather in``."""
    for entity in facts_of(clause).entities:
        clause = clause.replace(entity, "")
    return clause.strip()


def _clauses(question: str) -> list[str]:
    kept = _COMMA_IN_NAME.sub(_HIDDEN_COMMA, question)
    parts: list[str] = []
    for part in _CLAUSE_END.split(kept):
        clause = part.replace(_HIDDEN_COMMA, ",").strip().rstrip("?.!")
        if not clause:
            continue
        if parts and clause.count('"') % 2 and parts[-1].count('"') % 2:
            parts[-1] = f"{parts[-1]} and {clause}"  # a quotation is not cut
        else:
            parts.append(clause)
    return parts or [question]


def _fits(text: str, tools: Sequence[Tool]) -> list[float]:
    """How well each tool fits; 1 is enough. A word that all tools share says nothing about one."""
    wanted = set(terms(text))
    bags = [_weights(tool) for tool in tools]
    spread = Counter(term for bag in bags for term in bag)
    found = []
    for bag in bags:
        total = 0.0
        for term in wanted & bag.keys():
            rarity = (
                1.0 if len(tools) == 1 else math.log(1 + len(tools) / spread[term]) / math.log(1 + len(tools))
            )
            total += bag[term] * rarity
        found.append(total)
    return found


def _weights(tool: Tool) -> dict[str, float]:
    """Words by what they say of a tool: its name most, then parameters, then the description."""
    weights: dict[str, float] = {}
    schema = tool.get("input_schema")
    properties = schema.get("properties") or {} if isinstance(schema, Mapping) else {}
    for term in terms(str(tool.get("description") or "")):
        weights[term] = max(weights.get(term, 0.0), 0.5)
    for name in properties:
        for term in terms(str(name)):
            weights[term] = max(weights.get(term, 0.0), 0.5)
    for term in terms(str(tool.get("name", ""))):
        weights[term] = 1.2
    for generic in (
        "tool",
        "function",
        "get",
        "us",
        "return",
        "valu",
        "given",
        "input",
        "call",
        "my",
        "magic",
    ):
        if generic in weights:
            weights[generic] = min(weights[generic], 0.1)
    return weights


def _is_named(tool: Tool, question: str) -> bool:
    name = str(tool.get("name", ""))
    if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", question, re.IGNORECASE) is None:
        return False
    return "_" in name or (name not in STOPWORDS and len(words(name)) > 1) or f"{name}(" in question


def _numbers_needed(schema: Mapping[str, Any]) -> int:
    required = set(schema.get("required") or ())
    properties = schema.get("properties") or {}
    return sum(
        1
        for name, child in properties.items()
        if name in required and isinstance(child, Mapping) and child.get("type") in ("integer", "number")
    )


def _strings_needed(schema: Mapping[str, Any]) -> int:
    properties = schema.get("properties") or {}
    return sum(
        1 for child in properties.values() if isinstance(child, Mapping) and child.get("type") == "string"
    )


def _has_list(schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties") or {}
    return any(isinstance(child, Mapping) and child.get("type") == "array" for child in properties.values())
