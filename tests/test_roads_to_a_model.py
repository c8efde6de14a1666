"""A setting that no call could be made with: our error on every road to a model, not pydantic's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from aivideoapi_core import AIVideoAPIError, InvalidInputError, UnsupportedOptionError
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

GOOD: Final = {"model": "claude-sonnet-4-6", "api_key": "sk-test-1234567890"}
WRONG: Final = [
    pytest.param({"temperature": "hot"}, InvalidInputError, "temperature must be", id="no number"),
    pytest.param({"max_tokens": 0}, InvalidInputError, "max_tokens must be", id="too few"),
    pytest.param({"temprature": 1}, UnsupportedOptionError, "did you mean 'temperature'", id="a typo"),
    pytest.param({"thinking": "high"}, InvalidInputError, "is not a way to think", id="thinking"),
]
ROADS: Final[dict[str, Callable[[Any, dict[str, Any]], Any]]] = {
    "constructor": lambda cls, wrong: cls(**GOOD, **wrong),
    "model_validate": lambda cls, wrong: cls.model_validate({**GOOD, **wrong}),
    "model_validate_json": lambda cls, wrong: cls.model_validate_json(json.dumps({**GOOD, **wrong})),
    "model_copy": lambda cls, wrong: cls(**GOOD).model_copy(update=wrong),
}


@pytest.mark.parametrize("cls", [ChatAIVideoAPI, AIVideoAPI])
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(("wrong", "error", "words"), WRONG)
def test_a_wrong_setting(
    cls: Any, road: str, wrong: dict[str, Any], error: type[AIVideoAPIError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        ROADS[road](cls, wrong)
    assert "sk-test" not in str(caught.value)


@pytest.mark.parametrize("cls", [ChatAIVideoAPI, AIVideoAPI])
def test_right_settings(cls: Any) -> None:
    for road in ("model_validate", "model_copy"):
        assert ROADS[road](cls, {"temperature": 0.5}).temperature == 0.5
    with pytest.raises(InvalidInputError, match="other names"):
        cls(**GOOD).model_copy(update={"reasoning_effort": "high"})


@pytest.mark.parametrize("cls", [ChatAIVideoAPI, AIVideoAPI])
def test_unchecked_settings_are_checked_by_the_call(cls: Any) -> None:
    """``model_construct`` looks at nothing: its caller asked for that."""
    model = cls.model_construct(**{**GOOD, "temperature": 7})
    with pytest.raises(InvalidInputError, match="temperature=7 is outside"):
        model.invoke("hi") if cls is ChatAIVideoAPI else model.complete("hi")
