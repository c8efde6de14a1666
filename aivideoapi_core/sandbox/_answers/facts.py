"""Facts of a text that could become an argument: numbers, names, quotations, dates, key=value pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_NUMBER: Final = re.compile(r"(?<![\w.])[-\u2212]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]*[A-Za-z]\w)")
_QUOTED: Final = re.compile(
    r"\"([^\"\n]+)\"|“([^”\n]+)”|«([^»\n]+)»|`([^`\n]+)`|(?<!\w)['\u2018]([^\n]+?)['\u2019](?!\w)|「([^」\n]+)」"
)
_NAME: Final = re.compile(
    r"[A-Z\u00C0-\u00DE][\w'\u2019.&-]*(?:\s+(?:(?:of|de|la|le|du|van|von|der|and|the|for|&)\s+)?[A-Z\u00C0-\u00DE0-9][\w'\u2019&-]*)*"
)
_STATE: Final = re.compile(
    r"([A-Z\u00C0-\u00DE][\w'\u2019-]*(?:\s+[A-Z\u00C0-\u00DE][\w'\u2019-]*)*),\s+"
    r"(?:([A-Z]{2})\b|(USA|U\.S\.|France|Germany|Italy|Spain|Japan|China|India|Canada|Brazil|Mexico|England|Texas|"
    r"California|Australia|Austria|Switzerland|Portugal|Ireland|Scotland|Greece|Turkey|Egypt|Poland|Norway|Sweden)\b)"
)
_DATE: Final = re.compile(
    r"\b\d{4}-\d{2}-\d{2}\b|\b(?:today|tomorrow|yesterday|tonight)\b|\b(?:January|February|March|April|May|June|July|"
    r"August|September|October|November|December)\s+\d{1,2}(?:,\s*\d{4})?\b|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b",
    re.IGNORECASE,
)
_TIME: Final = re.compile(r"\b\d{1,2}:\d{2}(?:\s*[ap]m)?\b|\b\d{1,2}\s*[ap]m\b", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")
_URL: Final = re.compile(r"https?://[^\s<>\"')]+")
_PAIR: Final = re.compile(r"\b([A-Za-z_]\w*)\s*(?:=|:)\s*(\"[^\"]*\"|'[^']*'|[^\s,;)\]}]+)")
_EXPRESSION: Final = re.compile(r"(?<!\w)\(*-?\d[\d.\s]*(?:\)*\s*[-+*/\u00d7÷^%]+\s*\(*-?\d[\d.\s]*)+\)*")
_PLACE: Final = re.compile(
    r"\b(?:in|at|near|around|for|from|to|of)\s+(?:the\s+(?:city|town|country)\s+of\s+)?([A-Z\u00C0-\u00DE][\w'\u2019-]*"
    r"(?:\s+[A-Z\u00C0-\u00DE][\w'\u2019-]*)*(?:,\s+[A-Z]{2}\b)?)"
)
_NOT_NAMES: Final = frozenset([
    *["What", "Who", "Where", "When", "Why", "How", "Which", "Is", "Are", "Do", "Does", "Did", "Can", "Could", "Would", "Will", "Should", "Please", "Tell", "Give", "Show"],
    *["Use", "Using", "Find", "Search", "Get", "Create", "Make", "Add", "Multiply", "Divide", "Subtract", "Compute", "Calculate", "Convert", "Translate"],
    *["Write", "Extract", "Look", "List", "Compare", "Summarize", "Return", "The", "A", "An", "I", "I'm", "It", "This", "That", "These", "Those", "My", "Your", "Our", "We", "He"],
    *["She", "They", "If", "In", "On", "At", "For", "And", "But", "Or", "Then", "Also", "Let", "Hello", "Hi", "Hey", "Thanks", "Today", "Now", "Check", "Send", "Book", "Set", "Call"],
    *["Query", "Question", "Answer", "Context", "Text", "Answer", "Think", "Generate", "Say", "Repeat", "Name", "Question", "Input", "Output", "JSON", "Here"],
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found in one text, in order of appearance."""

    text: str
    numbers: tuple[int | float, ...]
    quoted: tuple[str, ...]
    names: tuple[str, ...]
    places: tuple[str, ...]
    dates: tuple[str, ...]
    times: tuple[str, ...]
    emails: tuple[str, ...]
    urls: tuple[str, ...]
    expressions: tuple[str, ...]
    pairs: dict[str, str]

    @property
    def entities(self) -> tuple[str, ...]:
        """Things that are called by a name: quotations first, then places, then other names."""
        return _unique([*self.quoted, *self.places, *self.names])


def facts_of(text: str) -> Facts:
    """Find the facts of ``text``. Deterministic; order of appearance."""
    bare = _URL.sub(" ", _EMAIL.sub(" ", text))
    numbers = tuple(_number(found) for found in _NUMBER.findall(_without_dates(bare)))
    return Facts(
        text=text,
        numbers=numbers,
        quoted=_unique(next(group for group in match.groups() if group) for match in _QUOTED.finditer(text)),
        names=_unique(_names(bare)),
        places=_unique(_places(bare)),
        dates=_unique(match.group() for match in _DATE.finditer(bare)),
        times=_unique(match.group() for match in _TIME.finditer(bare)),
        emails=_unique(_EMAIL.findall(text)),
        urls=_unique(url.rstrip(".,;") for url in _URL.findall(text)),
        expressions=_unique(found.strip().rstrip(".") for found in _EXPRESSION.findall(bare)),
        pairs={name.lower(): value.strip("\"'") for name, value in _PAIR.findall(text)},
    )


def _number(text: str) -> int | float:
    plain = text.replace(",", "").replace("\u2212", "-")
    return float(plain) if "." in plain else int(plain[:300])


def _without_dates(text: str) -> str:
    text = _TIME.sub(" ", re.sub(r"\b\d{4}-\d{2}-\d{2}\b", " ", text))
    # "5-3" is five minus three, not five and minus three.
    return re.sub(r"(?<=\d)\s*[-\u2212]\s*(?=\d)", " - ", text).replace("- ", "& ")


def _names(text: str) -> Iterator[str]:
    for match in _STATE.finditer(text):
        yield match.group()
    taken = _STATE.sub(lambda match: " " * len(match.group()), text)
    for match in _NAME.finditer(taken):
        parts = match.group().rstrip(".,").split()
        while parts and parts[0] in _NOT_NAMES:
            parts = parts[1:]
        name = " ".join(parts).removesuffix("'s").removesuffix("\u2019s").strip(".&")
        if name and not name.isdecimal():
            yield from re.split(r"\s+and\s+", name)


def _places(text: str) -> Iterator[str]:
    for match in _STATE.finditer(text):
        yield match.group()
    taken = _STATE.sub(lambda match: " " * len(match.group()), text)
    for match in _PLACE.finditer(taken):
        name = match.group(1).removesuffix("'s").rstrip(".")
        if name.split()[0] not in _NOT_NAMES:
            yield name


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
