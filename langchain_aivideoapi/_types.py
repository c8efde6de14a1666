"""Types of the public methods' arguments.

Imported with the model: ``RunnableWithFallbacks`` evaluates the annotations of whatever method it passes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from langchain_core.tools import BaseTool

ToolLike: TypeAlias = Mapping[str, Any] | type | Callable[..., Any] | BaseTool
StructuredMethod: TypeAlias = Literal["function_calling", "json_schema", "json_mode"]
