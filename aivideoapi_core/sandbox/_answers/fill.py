"""Make a value that satisfies a JSON schema, taken from a text's facts where they fit. Pure.

The value validates for the schema keywords in common use (types, enum, const, required, nesting,
arrays, ``anyOf``/``oneOf``/``allOf``, ``$ref``, number and length limits, formats); a ``pattern`` is
met only if some fact meets it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core.sandbox._answers.facts import Facts
from aivideoapi_core.sandbox._answers.schema_limits import limited, matches, sized
from aivideoapi_core.sandbox._answers.schema_reading import enum_values, guessed_type, merged, resolved
from aivideoapi_core.sandbox._answers.words import STOPWORDS, stem, terms, words
from aivideoapi_core.sandbox._judge.schemas import resolve

_MAX_DEPTH: Final = 12
_MORE_THAN_TEXT: Final = frozenset(
    ["properties", "const", "format", "pattern", "anyOf", "oneOf", "allOf", "items"]
)
_FORMAT_DEFAULTS: Final = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1H",
    "email": "user@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_PLACE_NAMES: Final = frozenset(
    ["city", "location", "place", "country", "town", "state", "region", "address", "destination", "origin"]
)
_PERSON_NAMES: Final = frozenset(
    [
        "name",
        "person",
        "customer",
        "user",
        "author",
        "company",
        "title",
        "who",
        "recipient",
        "entity",
        "product",
    ]
)
_TEXT_NAMES: Final = frozenset(
    [
        "query",
        "question",
        "search",
        "q",
        "text",
        "prompt",
        "message",
        "content",
        "input",
        "request",
        "topic",
        "task",
        "description",
    ]
)
_LEAD: Final = re.compile(
    r"^(?:please\s+|can you\s+|could you\s+)?(?:search(?:\s+the\s+\w+)?(?:\s+for)?|look\s+up|find(?:\s+out)?|google|"
    r"use (?:the )?\w+(?: tool)? to|tell me(?: about)?)\s+",
    re.IGNORECASE,
)
_LOWER_PLACE: Final = re.compile(r"\b(?:in|at|near|for)\s+([^\W\d_]+(?: [^\W\d_]+)?)\s*[?.!]?$")
_LIST_LEAD: Final = re.compile(
    r"\b(?:likes?|loves?|enjoys?|includ(?:es?|ing)|such as|needs?|wants?|speaks?|knows?|are)\s+"
    r"([^.?!]+?(?:,| and )[^.?!]+)"
)
_JOKES: Final = {
    "setup": "Why did {topic} walk into a sandbox?",
    "punchline": "Because every answer there is made by rules.",
}


class Filler:
    """Fills one schema; every number and name of the text is used once before any is used again."""

    def __init__(
        self,
        facts: Facts,
        root: Mapping[str, Any],
        *,
        subject: str = "",
        noise: Container[str] = frozenset(),
    ) -> None:
        """``subject``: the part of the text that is meant; ``noise``: stems that name no thing in it."""
        self._noise = noise
        self._facts = facts
        self._root = root
        self._subject = subject or facts.text
        self._used: set[tuple[str, object, int]] = set()

    def fill(self, schema: Any, name: str = "", *, depth: int = 0) -> Any:
        """A value for ``schema``; ``name`` is the property it is for."""
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return None
        if "$ref" in schema:
            return self.fill(resolve(str(schema["$ref"]), self._root), name, depth=depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._of_enum(schema, name)
        for group in ("anyOf", "oneOf"):
            if schema.get(group):
                return self._of_any(schema[group], name, depth=depth)
        if schema.get("allOf"):
            return self.fill(merged(schema, self._root), name, depth=depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((item for item in kind if item != "null"), "null")
        match kind or guessed_type(schema):
            case "object":
                return self._object(schema, depth=depth)
            case "array":
                return self._array(schema, name, depth=depth)
            case "integer" | "number" as numeric:
                return self._number(schema, name, integer=numeric == "integer")
            case "boolean":
                return self._boolean(schema, name)
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _object(self, schema: Mapping[str, Any], *, depth: int) -> dict[str, Any]:
        required = set(schema.get("required") or ())
        made: dict[str, Any] = {}
        for name, child in (schema.get("properties") or {}).items():
            if name in required or self._mentions(child, name):
                made[name] = self.fill(child, name, depth=depth + 1)
        for name in required - made.keys():
            made[name] = self._string({}, name)
        return made

    def _mentions(self, schema: Any, name: str) -> bool:
        """Whether the text gives an optional property: by name, or by one of its enum's values."""
        if name.lower() in self._facts.pairs:
            return True
        known = {stem(word) for word in words(self._facts.text)}
        options = list(enum_values(schema, self._root))
        if options:
            return any(_said(option, self._facts.text) for option in options)
        kind = schema.get("type") if isinstance(schema, Mapping) else None
        wanted = [stem(word) for word in words(name)]
        if kind in ("integer", "number", "array") or name in _PLACE_NAMES:
            return bool(wanted) and all(word in known for word in wanted)
        return False

    def _of_enum(self, schema: Mapping[str, Any], name: str) -> Any:
        paired = self._facts.pairs.get(name.lower())
        for option in schema["enum"]:
            if paired is not None and str(option).lower() == paired.lower():
                return option
        said = [option for option in schema["enum"] if _said(option, self._facts.text)]
        if said:
            return said[0]
        if "default" in schema and schema["default"] in schema["enum"]:
            return schema["default"]
        return schema["enum"][0]

    def _of_any(self, branches: Sequence[Any], name: str, *, depth: int) -> Any:
        real = [
            branch
            for branch in branches
            if not (isinstance(branch, Mapping) and branch.get("type") == "null")
        ]
        if not real:
            return None
        numeric = [b for b in real if isinstance(b, Mapping) and b.get("type") in ("integer", "number")]
        if numeric and self._free(self._facts.numbers):
            return self.fill(numeric[0], name, depth=depth + 1)
        best = max(real, key=lambda branch: self._branch_fit(branch))
        return self.fill(best, name, depth=depth + 1)

    def _branch_fit(self, branch: Any) -> int:
        """How many words of the text the branch's names share."""
        target = resolved(branch, self._root)
        told = " ".join(
            [
                str(target.get("title", "")),
                str(target.get("description", "")),
                *(target.get("properties") or {}),
            ]
        )
        known = {stem(word) for word in words(self._facts.text) if word not in STOPWORDS}
        return len({stem(word) for word in words(told)} & known)

    def _array(self, schema: Mapping[str, Any], name: str, *, depth: int) -> list[Any]:
        items = schema.get("items") or {}
        target = resolved(items, self._root)
        kind = target.get("type")
        least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 20))
        made: list[Any]
        if kind in ("integer", "number"):
            made = [limited(number, target, integer=kind == "integer") for number in self._facts.numbers]
        elif target.get("enum"):
            made = [option for option in target["enum"] if _said(option, self._facts.text)]
        elif kind in (None, "string") and not _MORE_THAN_TEXT & target.keys():
            found = _listed(self._facts.text) or list(self._facts.entities)
            made = [sized(text, target) for text in found]
        else:
            made = [self.fill(items, name, depth=depth + 1)]
        while len(made) < max(least, 1):
            made.append(self.fill(items, name, depth=depth + 1))
        return made[: max(most, least)]

    def _number(self, schema: Mapping[str, Any], name: str, *, integer: bool) -> int | float:
        near = self._number_near(name)
        if near is None:
            free = [
                number for number in self._free(self._facts.numbers) if not integer or number == int(number)
            ]
            near = free[0] if free else None
        if near is not None:
            self._use(self._facts.numbers, near)
            return limited(near, schema, integer=integer)
        default = schema.get("default")
        if isinstance(default, int | float) and not isinstance(default, bool):
            return default
        return limited(1, schema, integer=integer)

    def _number_near(self, name: str) -> int | float | None:
        """The number of ``name=3``, ``name 3``, ``3 names`` or ``3-name``."""
        for word in [name.lower(), *words(name)]:
            if len(word) < 2:
                pattern = rf"\b{re.escape(word)}\s*(?:=|:|is)\s*(-?\d+(?:\.\d+)?)"
            else:
                base = re.escape(stem(word))
                pattern = rf"\b{base}\w*\s*(?:=|:|is|of|to|are)?\s*(-?\d+(?:\.\d+)?)|(-?\d+(?:\.\d+)?)[\s-]+{base}\w*"
            match = re.search(pattern, self._facts.text, re.IGNORECASE)
            if match:
                text = next(group for group in match.groups() if group)
                return float(text) if "." in text else int(text)
        if name.lower() == "age" and (match := re.search(r"(\d+)[\s-]+year", self._facts.text)):
            return int(match.group(1))
        return None

    def _boolean(self, schema: Mapping[str, Any], name: str) -> bool:
        paired = self._facts.pairs.get(name.lower())
        if paired is not None:
            return paired.lower() in ("true", "yes", "1", "on")
        known = {stem(word) for word in words(self._facts.text)}
        wanted = [stem(word) for word in words(name) if word not in ("is", "has", "use")]
        if wanted and all(word in known for word in wanted):
            return not known & {"not", "no", "without", "don't", "never"}
        return bool(schema.get("default", False))

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        text = self._string_choice(schema, name)
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not matches(pattern, text):
            tokens = [*self._facts.entities, *self._facts.text.split()]
            text = next((token for token in tokens if matches(pattern, token)), text)
        return sized(text, schema)

    def _string_choice(self, schema: Mapping[str, Any], name: str) -> str:
        facts, lower = self._facts, name.lower()
        if lower in facts.pairs:
            return facts.pairs[lower]
        if (form := schema.get("format")) in _FORMAT_DEFAULTS:
            return self._formatted(str(form))
        kinds = set(words(name))
        if lower in _JOKES and self._facts.text:
            return _JOKES[lower].format(topic=topic_of(facts.text))
        for wanted, found in (
            ({"email", "mail"}, facts.emails),
            ({"url", "link", "uri", "website"}, facts.urls),
            ({"date", "day", "when", "deadline"}, facts.dates),
            ({"time", "hour"}, facts.times),
            ({"expression", "formula", "equation", "calculation"}, facts.expressions),
        ):
            if kinds & wanted and found:
                return self._take(found)
        if kinds & {"to", "recipient"} and facts.emails:
            return self._take(facts.emails)
        if "currency" in kinds and (codes := re.findall(r"\b[A-Z]{3}\b", facts.text)):
            return str(codes[-1] if kinds & {"to", "target"} else codes[0])
        start = kinds & {"from", "source", "origin"}
        if start or kinds & {"to", "target", "destination", "dest", "into"}:
            word = self._after("from" if start else "to")
            if word is not None:
                return word
        if kinds & _TEXT_NAMES and not kinds & _PERSON_NAMES and not kinds & _PLACE_NAMES:
            free = [text for text in self._free(facts.quoted) if len(text) > 2]
            return self._take(free) if free else self._as_query()
        return self._stated(name) or self._named(kinds, name, schema)

    def _named(self, kinds: set[str], name: str, schema: Mapping[str, Any]) -> str:
        facts = self._facts
        groups: Iterable[Sequence[str]] = (facts.quoted, facts.names)
        if kinds & _PLACE_NAMES:
            groups = (facts.places, facts.names, facts.quoted, _LOWER_PLACE.findall(facts.text))
        for group in groups:
            if free := self._free(group):
                return self._take(free)
        if schema.get("default") is not None:
            return str(schema["default"])
        again = facts.entities if kinds & _PLACE_NAMES else (*facts.quoted, *facts.names)
        if again:
            return again[0]
        if facts.numbers and kinds & {"number", "amount", "value", "id", "code", "expression"}:
            return str(facts.numbers[0])
        about = kinds & (_PLACE_NAMES | _PERSON_NAMES)
        told = topic_of(self._subject, noise=self._noise) if about else self._as_query()
        return told or humanised(name) or "sandbox"

    def _stated(self, name: str) -> str | None:
        """``purple`` of ``my favourite color is purple`` for a property like ``fav_color``."""
        for word in reversed(words(name)):
            pattern = rf"\b{re.escape(stem(word))}\w*\s+(?:is|are|was|called|named)\s+([^\W\d][\w-]*)"
            match = re.search(pattern, self._facts.text, re.IGNORECASE)
            if match and match.group(1).lower() not in STOPWORDS:
                return match.group(1)
        return None

    def _formatted(self, form: str) -> str:
        found = {"email": self._facts.emails, "uri": self._facts.urls, "date": self._facts.dates}.get(
            form, ()
        )
        valid = [item for item in found if form != "date" or re.fullmatch(r"\d{4}-\d{2}-\d{2}", item)]
        return self._take(valid) if valid else _FORMAT_DEFAULTS[form]

    def _after(self, word: str) -> str | None:
        found = re.search(rf"\b{word}\s+([A-Z][\w-]*(?:\s+[A-Z][\w-]*)*|[a-z]+)\b", self._facts.text)
        return found.group(1) if found else None

    def _as_query(self) -> str:
        text = _LEAD.sub("", self._subject.strip())
        return text.strip().rstrip("?.!").strip() or self._subject.strip()

    def _free(self, items: Sequence[Any]) -> list[Any]:
        kind = "number" if items is self._facts.numbers else "name"
        return [
            item
            for number, item in enumerate(items)
            if (kind, item, self._place(items, number)) not in self._used
        ]

    def _take(self, items: Sequence[str]) -> str:
        self._used.add(("name", items[0], 0))
        return items[0]

    def _use(self, numbers: Sequence[int | float], value: int | float) -> None:
        """Mark one more occurrence of ``value`` as used."""
        for number, item in enumerate(numbers):
            mark = ("number", item, self._place(numbers, number))
            if item == value and mark not in self._used:
                self._used.add(mark)
                return

    def _place(self, items: Sequence[Any], number: int) -> int:
        """Names are used once; of equal numbers each occurrence counts."""
        return number if items is self._facts.numbers else 0


def topic_of(text: str, *, noise: Container[str] = frozenset()) -> str:
    """The last few meaningful words before the end or a full stop: what a short request is about."""
    first = re.split(r"[.!?\n]", text.strip())[0]
    if match := re.search(r"\babout\s+(.+)$", first):
        return match.group(1).strip()
    found = [word for word in re.findall(r"[^\W_][\w'\u2019-]*", first) if word.lower() not in STOPWORDS]
    kept = [word for word in found if not all(term in noise for term in terms(word))] or found
    return " ".join(kept[-3:])


def humanised(name: str) -> str:
    """``first_name`` as ``first name``."""
    return " ".join(words(name))


def _said(option: Any, text: str) -> bool:
    if isinstance(option, bool) or option is None:
        return False
    wanted = words(str(option))
    there = words(text)
    stems = {stem(word) for word in there}
    return bool(wanted) and all(word in there or stem(word) in stems for word in wanted)


def _listed(text: str) -> list[str]:
    """Items of ``a, b and c`` after a colon or a verb like ``likes``; else nothing."""
    _, colon, rest = text.partition(":")
    match = None if colon else _LIST_LEAD.search(text)
    if match is not None:
        rest = match.group(1)
    parts = re.split(r",\s*(?:and\s+)?|\s+and\s+|;\s*", rest.strip().rstrip("."))
    return [part.strip() for part in parts if part.strip()]
