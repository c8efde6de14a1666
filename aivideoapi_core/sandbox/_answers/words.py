"""Words, sentences and how well they fit a question: the little linguistics the rules need. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SENTENCE_END: Final = re.compile(
    r"(?<=[.!?])[\"'”\u2019)\]]*\s+(?=[\"'“\u2018(\[]?[^\s])|(?<=[。\uff01\uff1f])|\n{2,}|\n(?=\s*(?:[-*#>|]|\d+[.)]\s))"
)
_ABBREVIATION: Final = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|Mr|Mrs|Ms|Dr|St|No|approx|etc)|\b[A-Z])\.$")

STOPWORDS: Final = frozenset([
    *["a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how", "i", "if"],
    *["in", "into", "is", "it", "its", "me", "my", "no", "not", "of", "on", "or", "our", "out", "please", "shall", "she", "should", "so", "some", "such", "than", "that", "the"],
    *["their", "them", "then", "there", "these", "they", "this", "those", "to", "up", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "why"],
    *["will", "with", "would", "you", "your", "about", "tell", "give", "show", "let", "much", "many", "also", "just", "any", "all"],
])  # fmt: skip

# Words that name the same thing in questions and in tool descriptions.
_SYNONYMS: Final = {
    "temperature": "weather", "forecast": "weather", "rain": "weather", "sunny": "weather", "raining": "weather",
    "hot": "weather", "temp": "weather", "cold": "weather", "warm": "weather",
    "plus": "add", "sum": "add", "total": "add", "adder": "add", "addition": "add",
    "minus": "subtract", "difference": "subtract", "subtraction": "subtract",
    "times": "multiply", "product": "multiply", "multiplication": "multiply", "multiplied": "multiply",
    "divided": "divide", "quotient": "divide", "division": "divide",
    "find": "search", "lookup": "search", "look": "search", "retrieve": "search", "google": "search",
    "cost": "price", "costs": "price", "expensive": "price",
    "clock": "time", "people": "population", "inhabitants": "population",
    "mail": "email", "calc": "calculate", "calculator": "calculate", "compute": "calculate",
}  # fmt: skip
_OPERATORS: Final = (
    (re.compile(r"\d\s*\+\s*-?\d"), "add"),
    (re.compile(r"\d\s*[-\u2212]\s*\d(?!\d*-\d)"), "subtract"),
    (re.compile(r"\d\s*(?:\*|\u00d7|x)\s*-?\d"), "multiply"),
    (re.compile(r"\d\s*(?:/|÷)\s*-?\d"), "divide"),
)  # fmt: skip


def words(text: str) -> list[str]:
    """Lower-case words; names like ``getWeather`` and ``get_weather`` are split, CJK text by character pairs."""
    found: list[str] = []
    for raw in _WORD.findall(_CAMEL.sub(" ", text)):
        if _CJK.search(raw):
            found.extend(raw[start : start + 2] for start in range(max(len(raw) - 1, 1)))
        else:
            found.append(raw.lower().replace("\u2019", "'").removesuffix("'s"))
    return found


def terms(text: str) -> list[str]:
    """Stems of the words that carry meaning, with synonyms and arithmetic signs made equal."""
    found = [stem(_SYNONYMS.get(word, word)) for word in words(text) if word not in STOPWORDS]
    signs = [stem(name) for pattern, name in _OPERATORS if pattern.search(text)]
    return [*found, *signs, *([stem("calculate")] if signs else [])]


def stem(word: str) -> str:
    """A crude English stem, enough to match ``prices`` with ``price`` and ``supported`` with ``supports``."""
    if len(word) < 4 or not word.isascii():
        return word
    for ending, put in (
        ("ies", "y"),
        ("ing", ""),
        ("edly", ""),
        ("ed", ""),
        ("es", ""),
        ("s", ""),
        ("ly", ""),
        ("e", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return _undoubled(word[: len(word) - len(ending)] + put)
    return word


def _undoubled(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz" else word


def sentences(text: str) -> list[tuple[int, str]]:
    """Sentences, list items and headings of ``text``, each with the offset at which it starts."""
    found: list[tuple[int, str]] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        piece = text[start : match.start()]
        if _ABBREVIATION.search(piece) and "\n" not in match.group():
            continue
        _add(found, start, piece)
        start = match.end()
    _add(found, start, text[start:])
    return found


def _add(found: list[tuple[int, str]], start: int, piece: str) -> None:
    stripped = piece.strip()
    if stripped and any(character.isalnum() for character in stripped):
        found.append((start + piece.index(stripped), stripped))


def scores(question: str, texts: Sequence[str]) -> list[float]:
    """How well each text fits the question: overlap weighted by rarity (tf-idf), lightly length-normalised."""
    bags = [Counter(terms(text)) for text in texts]
    spread: Counter[str] = Counter()
    for bag in bags:
        spread.update(bag.keys())
    wanted = set(terms(question))
    return [_score(wanted, bag, spread, len(texts)) for bag in bags]


def _score(wanted: Iterable[str], bag: Counter[str], spread: Counter[str], total: int) -> float:
    length = sum(bag.values())
    if not length:
        return 0.0
    score = 0.0
    for term in wanted:
        if term in bag:
            rarity = math.log(1 + (total + 1) / spread[term])
            score += rarity * (1 + math.log(bag[term]))
    return score / (1 + 0.15 * math.log(length))


def overlap(question: str, text: str) -> float:
    """Share of the question's terms that occur in the text, 0 to 1."""
    wanted, there = set(terms(question)), set(terms(text))
    return len(wanted & there) / len(wanted) if wanted else 0.0
