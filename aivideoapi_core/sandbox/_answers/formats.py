"""Prompts that ask for a set form of answer: choices, rankings, YES/NO, queries, sub-questions, JSON. Pure."""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from aivideoapi_core.sandbox._answers.facts import facts_of
from aivideoapi_core.sandbox._answers.fill import Filler, topic_of
from aivideoapi_core.sandbox._answers.words import STOPWORDS, overlap, scores, words

_CHOICES: Final = re.compile(r"Some choices are given below\.(.*?)\n-{5,}\n(.*?)\n-{5,}\n(.*)", re.DOTALL)
_CHOICE: Final = re.compile(r"^\((\d+)\)\s*(.*?)(?=^\(\d+\)|\Z)", re.MULTILINE | re.DOTALL)
_QUOTED_QUESTION: Final = re.compile(r"relevant to the question:\s*'(.*?)'\s*(?:\n|$)", re.DOTALL)
_DOCUMENT: Final = re.compile(
    r"^Document (\d+):\s*\n(.*?)(?=^Document \d+:|^Question:|\Z)", re.MULTILINE | re.DOTALL
)
_KEYWORDS: Final = re.compile(
    r"extract up to (\d+) keywords.*?\n?-{5,}\n(.*?)\n-{5,}", re.DOTALL | re.IGNORECASE
)
_QUERIES: Final = re.compile(r"generate (\d+) search queries.*?Query:\s*(.+?)\n", re.DOTALL | re.IGNORECASE)
_CONDENSE: Final = re.compile(r"Follow Up (?:Input|Message|question)\s*[:>]\s*(.+?)\n", re.IGNORECASE)
_EVALUATED: Final = re.compile(
    r"(?:Information|Query and Response)\s*:\s*(.+?)\n\s*Context\s*:\s*(.+?)\n\s*Answer\s*:\s*$", re.DOTALL
)
_ECHO: Final = re.compile(
    r"^(?:please\s+)?(?:say|repeat|echo|reply with|respond with|answer with|output)(?: exactly| only| just| after me| the words?)*"
    r"\s*:?\s+[\"'“\u2018`]?(.+?)[\"'”\u2019`]?[.!]?$",
    re.IGNORECASE,
)
_COUNT: Final = re.compile(r"\bcount (?:from )?(\d+) (?:to|up to) (\d+)\b", re.IGNORECASE)
_SIGNS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_PASSAGES: Final = re.compile(r"^-{5,}$.*?^-{5,}$", re.MULTILINE | re.DOTALL)
_JSON_KEYS: Final = re.compile(
    r"\bJSON\b.*?((?:[`'\"]\w+[`'\"](?:\s*,\s*|\s+and\s+|\s*,\s*and\s+)?)+)", re.DOTALL
)


def formatted_answer(prompt: str) -> str | None:
    """The answer if the prompt is of a known form, else ``None``."""
    for rule in (
        _choices, _ranking, _yes_or_no, _sub_questions, _keywords, _queries, _condensed, _json_by_schema, _json_by_keys,
    ):  # fmt: skip
        answer = rule(prompt)
        if answer is not None:
            return answer
    return None


def small_talk(question: str) -> str | None:
    """Echoes, counting and one arithmetic operation; ``None`` for anything else."""
    text = question.strip()
    if match := _COUNT.search(text):
        first, last = int(match.group(1)), int(match.group(2))
        return ", ".join(str(number) for number in range(first, min(last, first + 5_000) + 1))
    if "\n" not in text and (match := _ECHO.match(text)):
        return match.group(1)
    for expression in facts_of(text).expressions:
        value = calculated(expression)
        if value is not None:
            return f"{expression} = {value}"
    return None


def calculated(expression: str) -> str | None:
    """The value of an arithmetic expression of plain numbers; ``None`` if it has none."""
    python = expression.replace("\u00d7", "*").replace("\u00f7", "/").replace("^", "**")
    try:
        value = _value_of(ast.parse(python.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return None
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def _value_of(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value_of(operand)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _SIGNS:
            values = (_value_of(left), _value_of(right))
            if isinstance(sign, ast.Pow) and max(map(abs, values)) > 1_000:
                raise ValueError("too large")
            return _SIGNS[type(sign)](*values)
        case _:
            raise ValueError("not arithmetic")


def _choices(prompt: str) -> str | None:
    match = _CHOICES.search(prompt)
    if match is None:
        return None
    options = [(int(number), text.strip()) for number, text in _CHOICE.findall(match.group(2))]
    asked = _QUOTED_QUESTION.search(match.group(3))
    if not options or asked is None:
        return None
    rated = scores(asked.group(1), [text for _, text in options])
    best = options[max(range(len(options)), key=lambda n: rated[n])]
    reason = f"it shares the most words with the question: {best[1][:80]}"
    if "ANSWER:" in match.group(3):
        return f"ANSWER: {best[0]}\nThis was selected because {reason}"
    chosen = [{"choice": best[0], "reason": reason}]
    if "top choices" in match.group(3):
        limit = max(rated)
        chosen = [
            {"choice": number, "reason": "it fits the question"}
            for (number, _), score in zip(options, rated, strict=True)
            if score >= 0.7 * limit
        ] or chosen
    return json.dumps(chosen, ensure_ascii=False)


def _ranking(prompt: str) -> str | None:
    if "Relevance:" not in prompt or "list of documents is shown below" not in prompt:
        return None
    body = prompt.partition("Let's try this now:")[2] or prompt
    documents = [(int(number), text) for number, text in _DOCUMENT.findall(body)]
    question = body.rpartition("Question:")[2].partition("\nAnswer:")[0].strip()
    if not documents:
        return None
    rated = scores(question, [text for _, text in documents])
    best = max(rated) or 1.0
    order = sorted(zip(rated, documents, strict=True), key=lambda item: -item[0])
    lines = [
        f"Doc: {number}, Relevance: {max(1, round(10 * score / best))}"
        for score, (number, _) in order
        if score
    ]
    return "\n".join(lines) or f"Doc: {documents[0][0]}, Relevance: 1"


def _yes_or_no(prompt: str) -> str | None:
    if "YES" not in prompt or "NO" not in prompt:
        return None
    body = prompt
    for mark in ("Answer: NO\n", "Answer: YES\n"):
        body = body.rpartition(mark)[2] or body
    match = _EVALUATED.search(body)
    if match is None:
        existing = re.search(r"existing YES/NO answer:\s*(YES|NO)", prompt)
        return existing.group(1) if existing else None
    return "YES" if overlap(match.group(1), match.group(2)) >= 0.5 else "NO"


def _sub_questions(prompt: str) -> str | None:
    if "relevant sub-questions" not in prompt or "<User Question>" not in prompt:
        return None
    tools_text = re.findall(r"<Tools>\s*```json\s*(\{.*?\})\s*```", prompt, re.DOTALL)
    question = prompt.rpartition("<User Question>")[2].partition("<Output>")[0].strip()
    try:
        tools = json.loads(tools_text[-1]) if tools_text else {}
    except (ValueError, RecursionError):
        return None
    items = []
    for name, description in tools.items():
        items.append(
            {"sub_question": f"{question} ({description})" if len(tools) > 1 else question, "tool_name": name}
        )
    return f"```json\n{json.dumps({'items': items}, ensure_ascii=False, indent=4)}\n```"


def _keywords(prompt: str) -> str | None:
    match = _KEYWORDS.search(prompt)
    if match is None:
        return None
    found = dict.fromkeys(word for word in words(match.group(2)) if word not in STOPWORDS and len(word) > 2)
    return f"KEYWORDS: {', '.join(list(found)[: int(match.group(1))])}"


def _queries(prompt: str) -> str | None:
    match = _QUERIES.search(prompt)
    if match is None:
        return None
    query = match.group(2).strip()
    topic = " ".join(word for word in words(query) if word not in STOPWORDS)
    variants = [query, topic, f"{topic} explained", f"{topic} details", f"{topic} examples", f"about {topic}"]
    return "\n".join(variants[: max(int(match.group(1)), 1)])


def _condensed(prompt: str) -> str | None:
    if "standalone question" not in prompt.lower() and "standalone message" not in prompt.lower():
        return None
    match = _CONDENSE.search(prompt)
    return match.group(1).strip() if match else None


def _json_by_schema(prompt: str) -> str | None:
    """A prompt that carries a JSON schema to follow: JSON made from the rest of the prompt."""
    if "schema" not in prompt.lower():
        return None
    for start, schema in reversed(list(_objects_in(prompt))):
        if "properties" in schema:
            rest = prompt[:start]
            for cut in ("Here's a JSON schema", "The output should be formatted as a JSON"):
                rest = rest.partition(cut)[0]
            text = rest.strip() or prompt[start:].rpartition("}")[2].strip()
            made = Filler(facts_of(text), schema).fill({**schema, "type": "object"})
            return json.dumps(made, ensure_ascii=False)
    return None


def _objects_in(text: str) -> Any:
    decoder = json.JSONDecoder()
    position = 0
    while (start := text.find("{", position)) >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            position = start + 1
            continue
        if isinstance(value, Mapping):
            yield start, value
        position = end


def _json_by_keys(prompt: str) -> str | None:
    prompt = _PASSAGES.sub("", prompt)  # a passage may speak of JSON without asking for it
    match = _JSON_KEYS.search(prompt)
    if match is None:
        return None
    keys = re.findall(r"\w+", match.group(1).replace(" and ", " "))
    schema = {"type": "object", "properties": {key: {"type": "string"} for key in keys}, "required": keys}
    text = prompt[: match.start()].strip() or topic_of(prompt)
    return json.dumps(Filler(facts_of(text), schema).fill(schema), ensure_ascii=False)
