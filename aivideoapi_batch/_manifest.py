"""The manifest of a journal: the fingerprint of a job, so that another job on the same journal is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self

from pydantic_core import to_jsonable_python

from aivideoapi_core import InvalidInputError

FORMAT: Final = 1
_PLAIN_CHARS: Final = 80
"""A longer value is kept as its hash: prompts stay out of the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The job's name, the field of the ids, and the facts that change its answers, long ones as hashes."""

    name: str
    id_field: str
    facts: Mapping[str, str]

    @classmethod
    def of(cls, name: str, id_field: str, facts: Mapping[str, Any]) -> Self:
        """``facts`` are JSON-ready, or have a ``repr`` without addresses."""
        return cls(name=name, id_field=id_field, facts={key: _short(value) for key, value in facts.items()})

    @property
    def fingerprint(self) -> str:
        """A hash of all of it."""
        return sha256(_canonical([self.name, self.id_field, dict(self.facts)]).encode()).hexdigest()

    def to_json(self) -> str:
        """As one JSON object."""
        facts = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "name": self.name,
            "id_field": self.id_field,
            "facts": dict(self.facts),
        }
        return json.dumps(facts, indent=1)

    def check(self, kept: str | bytes, *, place: str) -> None:
        """Raise ``InvalidInputError`` unless ``kept``, the manifest at ``place``, is of the same job."""
        try:
            other = json.loads(kept)
            if other["format"] == FORMAT and other["fingerprint"] == self.fingerprint:
                return
            pairs = {
                "name": (other["name"], self.name),
                "id": (other["id_field"], self.id_field),
                **{
                    key: (other["facts"].get(key), self.facts.get(key))
                    for key in sorted({*other["facts"], *self.facts})
                },
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInputError(f"{place} is not the manifest of a batch job ({error})") from None
        differ = "; ".join(
            f"{key}: {old} there, {new} here" for key, (old, new) in pairs.items() if old != new
        )
        raise InvalidInputError(
            f"{place} holds the results of another job ({differ or 'of another version'}): "
            "give this job a journal of its own"
        )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else _canonical(value)
    if len(text) <= _PLAIN_CHARS and "\n" not in text:
        return text
    return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _canonical(value: Any) -> str:
    return json.dumps(to_jsonable_python(value, fallback=_named), sort_keys=True)


def _named(value: Any) -> str:
    """A class or function by its name: its ``repr`` may have an address, which is another in each process."""
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
