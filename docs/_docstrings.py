"""A Griffe extension: our docstrings as Markdown, and the descriptions of pydantic fields as docstrings."""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

_LITERAL_BLOCK = re.compile(r"(?m)^::\n")
_DESCRIBED = re.compile(r"\bdescription=(?P<text>(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'))")


class MarkdownDocstrings(griffe.Extension):
    """``::`` before an indented block is no Markdown; ``Field(description=...)`` is documentation."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for every object that Griffe read."""
        if obj.docstring is not None:
            obj.docstring.value = _LITERAL_BLOCK.sub("", obj.docstring.value)
        elif isinstance(obj, griffe.Attribute) and obj.value is not None:
            described = _DESCRIBED.search(str(obj.value))
            if described is not None:
                obj.docstring = griffe.Docstring(ast.literal_eval(described["text"]), parent=obj)
