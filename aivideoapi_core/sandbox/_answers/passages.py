"""Answers from passages: find the context and the question in a prompt, pick the sentences that fit. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aivideoapi_core.sandbox._answers.view import Source, View
from aivideoapi_core.sandbox._answers.words import overlap, scores, sentences, terms

_RULE: Final = re.compile(r"^\s*-{5,}\s*$", re.MULTILINE)
_ASKED: Final = re.compile(
    r"(?:^|\n)\s*(?:User )?(?:Query|Question|Follow Up Input|User Question)\s*:\s*(.+?)\s*(?:\n\s*(?:Answer|Helpful Answer|Context|"
    r"Assistant|Standalone question|Queries|SQLQuery|Original Answer)\s*:|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_ORIGINAL: Final = re.compile(
    r"(?:original query is as follows|original question)\s*:\s*(.+?)\n", re.IGNORECASE
)
_EXISTING: Final = re.compile(
    r"(?:existing answer|Existing Answer|Original Answer)\s*:\s*(.+?)\n\s*(?:We have|Instruction|---|New Answer)",
    re.DOTALL,
)
_XML: Final = re.compile(
    r"<(document|passage|source|context|documents)\b[^>]*>\s*((?:(?!<(?:document|passage|source|context)\b).)+?)\s*</\1>",
    re.DOTALL,
)
_CONTEXT_LABEL: Final = re.compile(
    r"(?:^|\n)\s*(?:(?:New )?Context(?: information)?(?: is below)?|(?:Here are )?the relevant documents for the context|"
    r"Use the following pieces of (?:retrieved )?context[^\n]*)\s*:\s*\n?(.+?)"
    r"(?=\n\s*(?:Question|Query|Helpful Answer|Answer|Instruction|Existing Answer)\s*:|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_NUMBERED_SOURCE: Final = re.compile(r"^Source (\d+):\s*$", re.MULTILINE)
_METADATA: Final = re.compile(
    r"^(?:file_path|file_name|page_label|source|url|title|[a-z_]+_[a-z_]+):[^\n]*$", re.MULTILINE
)
_MAX_SENTENCES: Final = 3
_GOOD_SHARE: Final = 0.6


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to answer from; ``label`` is its number in the prompt, ``source`` the block it came in."""

    text: str
    label: str | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """Passages of a prompt and the question that is asked about them."""

    passages: tuple[Passage, ...]
    question: str
    existing: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One sentence that fits, and where in its passage it begins."""

    passage: Passage
    start: int
    text: str
    score: float


def context_of(view: View) -> Context | None:
    """Passages in the prompt's text, in the system text, or in blocks; ``None`` if there are none."""
    found = _in_prompt(view.question)
    if found is not None:
        return found
    passages = [Passage(source.text, source=source) for source in view.sources]
    in_system = _in_prompt(view.system)
    if in_system is not None:
        passages.extend(in_system.passages)
    if not passages:
        return None
    return Context(tuple(passages), view.question, in_system.existing if in_system is not None else None)


def answer_blocks(context: Context) -> list[dict[str, Any]]:
    """Text blocks that answer from the context, with citations where the document allows them."""
    found = best_sentences(context.question, context.passages)
    if not found:
        if context.existing is not None:
            return [{"type": "text", "text": context.existing}]
        return [{"type": "text", "text": f"The context says nothing about this: {_short(context.question)}"}]
    if any(item.passage.source is not None and item.passage.source.citable for item in found):
        return [_cited(item) for item in found]
    texts = [_with_label(item) for item in found]
    if context.existing is not None and overlap(context.question, context.existing) > overlap(
        context.question, " ".join(texts)
    ):
        return [{"type": "text", "text": context.existing}]
    return [{"type": "text", "text": " ".join(texts)}]


def answer_text(context: Context) -> str:
    """The same as one text."""
    return " ".join(block["text"] for block in answer_blocks(context))


def best_sentences(question: str, passages: Sequence[Passage]) -> list[Found]:
    """Up to three sentences that fit best, from at most two passages, in reading order."""
    candidates: list[tuple[Passage, int, str]] = []
    for passage in passages:
        body = _METADATA.sub(lambda match: " " * len(match.group()), passage.text)
        candidates.extend((passage, start, text) for start, text in sentences(body))
    if not candidates:
        return []
    if re.search(r"\bsummar(?:y|ize|ise)\b", question, re.IGNORECASE) and len(terms(question)) < 6:
        return [Found(passage, start, text, 1.0) for passage, start, text in candidates[:_MAX_SENTENCES]]
    plain = scores(question, [text for _, _, text in candidates])
    around = _passage_scores(question, passages)
    rated = [
        (score + 0.25 * around[id(passage)] if score else 0.0, number)
        for number, ((passage, _, _), score) in enumerate(zip(candidates, plain, strict=True))
    ]
    best = max(rated)[0]
    if best <= 0:
        return []
    rated.sort(key=lambda item: (-item[0], item[1]))
    chosen = sorted(number for score, number in rated[:_MAX_SENTENCES] if score >= best * _GOOD_SHARE)
    return [
        Found(*candidates[number], next(score for score, at in rated if at == number)) for number in chosen
    ]


def _passage_scores(question: str, passages: Sequence[Passage]) -> dict[int, float]:
    rated = scores(question, [passage.text for passage in passages])
    return {id(passage): score for passage, score in zip(passages, rated, strict=True)}


def _in_prompt(text: str) -> Context | None:
    if not text:
        return None
    existing = _EXISTING.search(text)
    asked = _ORIGINAL.search(text) or _last(_ASKED, text)
    question = asked.group(1).strip() if asked else ""
    body = _between_rules(text) or _between_tags(text) or _after_label(text)
    if body is None:
        summary = re.search(r"Write a summary of the following\.(.+)SUMMARY:", text, re.DOTALL)
        if summary is None:
            return None
        body, question = summary.group(1).partition("possible.")[2] or summary.group(1), "summary"
    if not question:
        question = _rest(text, body)
    return Context(
        tuple(_split_sources(body)), question, existing.group(1).strip() if existing is not None else None
    )


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for found in pattern.finditer(text):  # noqa: B007  # the last match is wanted
        pass
    return found


def _between_rules(text: str) -> str | None:
    marks = list(_RULE.finditer(text))
    if len(marks) < 2:
        return None
    return text[marks[-2].end() : marks[-1].start()].strip() or None


def _between_tags(text: str) -> str | None:
    found = [match.group(2) for match in _XML.finditer(text)]
    return "\n\n".join(found) if found else None


def _after_label(text: str) -> str | None:
    match = _CONTEXT_LABEL.search(text)
    return match.group(1).strip() or None if match else None


def _rest(text: str, body: str) -> str:
    """What the prompt says apart from the context: its last paragraph is most likely the question."""
    outside = text.replace(body, "\n\n")
    outside = re.sub(r"</?\w+[^>]*>", " ", outside)
    parts = [part.strip() for part in re.split(r"\n\s*\n", outside) if part.strip()]
    return parts[-1] if parts else text


def _split_sources(body: str) -> list[Passage]:
    marks = list(_NUMBERED_SOURCE.finditer(body))
    if marks:
        ends = [mark.start() for mark in marks[1:]] + [len(body)]
        return [
            Passage(body[mark.end() : end].strip(), label=mark.group(1))
            for mark, end in zip(marks, ends, strict=True)
        ]
    return [Passage(part.strip()) for part in re.split(r"\n\s*\n", body) if part.strip()]


def _with_label(found: Found) -> str:
    if found.passage.label is None:
        return found.text
    return f"{found.text.rstrip('.')} [{found.passage.label}]."


def _cited(found: Found) -> dict[str, Any]:
    """A text block with a citation: offsets of a document's text, or blocks of a document or a search result."""
    block: dict[str, Any] = {"type": "text", "text": f"{found.text} "}
    source = found.passage.source
    if source is None or not source.citable:
        return block
    start = sum(end <= found.start for end in source.ends)
    blocks = {"start_block_index": start, "end_block_index": start + 1}
    document = {"document_index": source.index, "document_title": source.title, "file_id": None}
    location: dict[str, Any]
    if source.origin is not None:
        location = {"type": "search_result_location", "search_result_index": source.index}
        location |= {"source": source.origin, "title": source.title, **blocks}
    elif source.ends:
        location = {"type": "content_block_location", **document, **blocks}
    else:
        end = found.start + len(found.text)
        location = {
            "type": "char_location",
            **document,
            "start_char_index": found.start,
            "end_char_index": end,
        }
    return {**block, "citations": [{"cited_text": found.text, **location}]}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:157]}..."
