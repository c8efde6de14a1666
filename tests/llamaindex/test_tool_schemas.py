"""A tool's schema is made once per class, and is the one that LlamaIndex itself would give."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.tools import FunctionTool
from llama_index.core.tools.types import ToolMetadata
from pydantic import BaseModel

from llamaindex_aivideoapi._outbound.tools import to_tools


class Place(BaseModel):
    city: str
    zip_code: int | None = None


class Query(BaseModel):
    places: list[Place]


def look(places: list[str], deep: bool = False) -> str:
    """Look."""
    return f"{places}{deep}"


class OwnMetadata(ToolMetadata):
    def get_parameters_dict(self) -> dict[str, Any]:
        return {"type": "object", "properties": {"own": {"type": "string"}}}


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param(FunctionTool.from_defaults(look), id="function"),
        pytest.param(FunctionTool.from_defaults(look, fn_schema=Query), id="schema class"),
        pytest.param(
            FunctionTool(look, metadata=ToolMetadata("d", name="look", fn_schema=None)), id="no schema"
        ),
        pytest.param(
            FunctionTool(look, metadata=OwnMetadata("d", name="look", fn_schema=Query)), id="its own way"
        ),
    ],
)
def test_the_schema_is_llamaindexs_own(tool: FunctionTool) -> None:
    (first,) = to_tools([tool])
    first["input_schema"]["type"] = "changed"  # what is handed out is not what is kept
    (again,) = to_tools([tool])
    assert again["input_schema"] == {"properties": {}, **tool.metadata.get_parameters_dict()}


def test_two_classes_of_one_name_keep_their_own_schemas() -> None:
    def schema(kind: type) -> dict[str, Any]:
        model = type("Same", (BaseModel,), {"__annotations__": {"value": kind}})
        (wire,) = to_tools([FunctionTool.from_defaults(look, name="look", fn_schema=model)])
        properties: dict[str, Any] = wire["input_schema"]["properties"]
        return properties

    assert schema(int)["value"]["type"] == "integer"
    assert schema(str)["value"]["type"] == "string"
