"""A Griffe extension: our docstrings as Markdown, and pydantic fields as a reader sees them."""

from __future__ import annotations

import ast
import re
from typing import Any, Final

import griffe

_LITERAL_BLOCK: Final = re.compile(r"(?m)^::\n")
_PLAIN_TYPES: Final = {
    "TimeoutField": "float | httpx.Timeout",
    "AsyncHTTPClientField": "httpx.AsyncClient",
    "HTTPClientField": "httpx.Client",
    "BudgetField": "CreditBudget",
    "LedgerField": "SpendLedger",
}
"""What the types of fields that are imported late stand for."""


class MarkdownDocstrings(griffe.Extension):
    """``::`` before an indented block is no Markdown; ``Field(...)`` is a default, other names and a description."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for every object that Griffe read."""
        if isinstance(obj, griffe.Attribute):
            _show_field(obj)
        if obj.docstring is not None:
            obj.docstring.value = _LITERAL_BLOCK.sub("", obj.docstring.value)


def _show_field(attribute: griffe.Attribute) -> None:
    annotation = str(attribute.annotation or "")
    plain = re.sub(r"\w+Field\b", lambda match: _PLAIN_TYPES.get(match[0], match[0]), annotation)
    if plain != annotation:
        attribute.annotation = plain
    value = str(attribute.value or "")
    if not value.startswith("Field("):
        return
    call = ast.parse(value, mode="eval").body
    assert isinstance(call, ast.Call)  # noqa: S101 - as it begins
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    default = given.get("default", call.args[0] if call.args else None)
    factory = given.get("default_factory")
    if factory is not None:
        default = ast.Call(func=factory, args=[], keywords=[])
    attribute.value = None if default is None else ast.unparse(default)
    text = attribute.docstring.value if attribute.docstring is not None else ""
    if "description" in given:
        text = text or ast.literal_eval(given["description"])
    if others := _other_names(given.get("validation_alias"), attribute.name):
        text = f"{text}\n\nAlso accepted as {', '.join(f'`{name}`' for name in others)}."
    if text:
        attribute.docstring = griffe.Docstring(text, parent=attribute)


def _other_names(alias: ast.expr | None, name: str) -> list[str]:
    choices = alias.args if isinstance(alias, ast.Call) else [alias] if alias is not None else []
    names = [choice.value for choice in choices if isinstance(choice, ast.Constant)]
    return [str(other) for other in names if other != name]
