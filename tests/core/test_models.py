"""The catalogue and the routes: what is known of each id, and that an unknown one still works."""

from __future__ import annotations

import pytest

from aivideoapi_core import PRICES, Route, base_model, known_models, model_info, route_of

# id: context window, largest output, thinking types, effort levels, sampling, prefill
BUDGET, ANY = {"enabled", "disabled"}, {"enabled", "adaptive", "disabled"}
EFFORTS = ["low", "medium", "high"]
DIRECT_MODELS = {
    "claude-haiku-4-5/anthropic": (200_000, 64_000, BUDGET, [], "one", True),
    "claude-sonnet-4-5/anthropic": (200_000, 64_000, BUDGET, [], "one", True),
    "claude-opus-4-5/anthropic": (200_000, 64_000, BUDGET, EFFORTS, "one", True),
    "claude-opus-4-6/anthropic": (1_000_000, 128_000, ANY, [*EFFORTS, "max"], "free", False),
    "claude-sonnet-4-6/anthropic": (1_000_000, 128_000, ANY, [*EFFORTS, "max"], "free", False),
    "claude-opus-4-7/anthropic": (
        1_000_000, 128_000, {"adaptive", "disabled"}, [*EFFORTS, "xhigh", "max"], "fixed", False
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", DIRECT_MODELS)
def test_direct_models(model: str) -> None:
    info = model_info(model)
    window, output, thinking, efforts, sampling, prefill = DIRECT_MODELS[model]
    assert (info.context_window, info.max_output_tokens, info.sampling, info.prefill) == (
        window,
        output,
        sampling,
        prefill,
    )
    assert (info.thinking, info.efforts, info.route, info.known) == (
        thinking,
        set(efforts),
        Route.DIRECT,
        True,
    )


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-opus-4-6"])
def test_native_models(model: str) -> None:
    info = model_info(model)
    assert (info.context_window, info.route, info.known) == (200_000, Route.NATIVE, True)


def test_the_catalogue_is_the_price_list() -> None:
    assert [info.id for info in known_models()] == [row.model for row in PRICES]
    assert all(info.prices is not None for info in known_models())


@pytest.mark.parametrize("model", ["claude-next", "claude-next/anthropic", "", "claude-sonnet-4-6-20260101"])
def test_an_unknown_model_gets_cautious_limits(model: str) -> None:
    info = model_info(model)
    assert (info.id, info.known, info.prices) == (model, False, None)
    assert info.default_max_tokens == 8192


@pytest.mark.parametrize(
    ("model", "route", "base"),
    [
        ("claude-sonnet-4-6", Route.NATIVE, "claude-sonnet-4-6"),
        ("claude-sonnet-4-6/anthropic", Route.DIRECT, "claude-sonnet-4-6"),
        ("claude/anthropic/x", Route.NATIVE, "claude/anthropic/x"),
        ("anthropic", Route.NATIVE, "anthropic"),
    ],
)
def test_routes(model: str, route: Route, base: str) -> None:
    assert (route_of(model), base_model(model)) == (route, base)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-opus-4-7/anthropic", "Claude Opus 4.7"),
        ("claude-sonnet-4-6", "Claude Sonnet 4.6"),
        ("claude-new/anthropic", "claude-new"),
        ("some-other-model", "some-other-model"),
    ],
)
def test_the_name_for_people(model: str, name: str) -> None:
    assert model_info(model).display_name == name
