"""Model profiles: right for every id, cautious for unknown ones, and nothing that LangChain does not know."""

from __future__ import annotations

import typing

import pytest
from langchain_core.language_models.model_profile import ModelProfile

from aivideoapi_core import Route, known_models
from langchain_aivideoapi._profiles import profile_of

IDS = [info.id for info in known_models()]
UNKNOWN = ["claude-next-9/anthropic", "claude-next-9", "some/model"]


@pytest.mark.parametrize("model", [*IDS, *UNKNOWN])
def test_only_keys_and_types_that_langchain_declares(model: str) -> None:
    declared = typing.get_type_hints(ModelProfile)
    for key, value in profile_of(model).items():
        wanted = declared[key]
        assert isinstance(value, typing.get_origin(wanted) or wanted), key


@pytest.mark.parametrize("info", known_models(), ids=lambda info: info.id)
def test_limits_are_those_of_the_catalogue(info: typing.Any) -> None:
    profile = profile_of(info.id)
    assert profile["max_input_tokens"] == info.context_window
    assert profile["max_output_tokens"] == info.max_output_tokens
    assert profile["structured_output"] is (info.route is Route.DIRECT)
    assert profile["tool_calling"] is True
    assert profile["image_url_inputs"] is True


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(
            "claude-sonnet-4-6",
            {"name": "Claude Sonnet 4.6", "max_input_tokens": 200_000, "structured_output": False},
            id="native",
        ),
        pytest.param(
            "claude-sonnet-4-6/anthropic",
            {
                "name": "Claude Sonnet 4.6",
                "max_input_tokens": 1_000_000,
                "max_output_tokens": 128_000,
                "structured_output": True,
                "pdf_inputs": True,
                "image_tool_message": True,
                "pdf_tool_message": True,
                "temperature": True,
                "reasoning_effort_levels": ["low", "medium", "high", "max"],
                "reasoning_effort_default": "high",
            },
            id="direct-forward",
        ),
        pytest.param(
            "claude-opus-4-7/anthropic",
            {"temperature": False, "reasoning_effort_levels": ["low", "medium", "high", "xhigh", "max"]},
            id="fixed sampling",
        ),
        pytest.param(
            "claude-haiku-4-5/anthropic", {"max_input_tokens": 200_000, "temperature": True}, id="small"
        ),
        pytest.param(
            "claude-next-9/anthropic",
            {
                "name": "claude-next-9",
                "max_input_tokens": 200_000,
                "max_output_tokens": 8_192,
                "structured_output": False,
            },
            id="unknown",
        ),
    ],
)
def test_profile(model: str, expected: dict[str, typing.Any]) -> None:
    assert profile_of(model).items() >= expected.items()


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        (
            "claude-sonnet-4-6",
            {"pdf_inputs", "pdf_tool_message", "image_tool_message", "reasoning_effort_levels"},
        ),
        ("claude-haiku-4-5/anthropic", {"reasoning_effort_levels", "reasoning_effort_default"}),
        ("claude-next-9/anthropic", {"status", "reasoning_output", "reasoning_effort_levels"}),
    ],
)
def test_what_is_not_documented_is_left_out(model: str, missing: set[str]) -> None:
    assert not profile_of(model).keys() & missing


@pytest.mark.parametrize("model", [model for model in IDS if model.endswith("/anthropic")])
def test_agrees_with_langchain_anthropic(model: str) -> None:
    """The same model behind another door: whatever that profile says, ours says too, unless named here."""
    from langchain_anthropic.data._profiles import _PROFILES

    theirs = _PROFILES[model.removesuffix("/anthropic")]
    ours = profile_of(model)
    # Dates are of no use to a caller and one more table to keep; theirs adds "(latest)" to some names.
    not_ours = {"name", "release_date", "last_updated"}
    different = {key: (ours.get(key), value) for key, value in theirs.items() if ours.get(key) != value}
    assert not different.keys() - not_ours, different


def test_each_call_gives_its_own_dict() -> None:
    profile_of("claude-sonnet-4-6")["max_input_tokens"] = 1
    assert profile_of("claude-sonnet-4-6")["max_input_tokens"] == 200_000
