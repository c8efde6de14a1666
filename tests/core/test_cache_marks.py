"""Which breakpoints of a request go out: where they may stand, how many, and how long each lives."""

from __future__ import annotations

import copy
import logging
from typing import Any, Final

import pytest

from aivideoapi_core._outbound.cache_marks import limit_marks

FIVE: Final = {"type": "ephemeral"}
HOUR: Final = {"type": "ephemeral", "ttl": "1h"}
LATER: Final = {"defer_loading": True}


def marked(*marks: Any) -> list[dict[str, Any]]:
    """Tools or blocks, each with that mark or without."""
    return [{} if mark is None else {"cache_control": mark} for mark in marks]


@pytest.mark.parametrize(
    ("tools", "said", "automatic", "expected"),
    [
        pytest.param(marked(FIVE, HOUR), [], None, ([FIVE, FIVE], [], None), id="tools of a longer life"),
        pytest.param(marked(FIVE), marked(HOUR), None, ([FIVE], [FIVE], None), id="turns of a longer life"),
        pytest.param(marked(HOUR), marked(FIVE), None, ([HOUR], [FIVE], None), id="the right order"),
        pytest.param([], marked(FIVE), HOUR, ([], [FIVE], FIVE), id="the whole request's after a block's own"),
        pytest.param(marked(HOUR), marked(HOUR), HOUR, ([HOUR], [HOUR], HOUR), id="all the same"),
        pytest.param([], [], HOUR, ([], [], HOUR), id="the whole request's alone"),
        pytest.param(marked(FIVE, FIVE), marked(FIVE, FIVE), FIVE, ([None, FIVE], [FIVE, FIVE], FIVE), id="too many"),
        pytest.param([{}, {**LATER, "cache_control": HOUR}], [], None, ([HOUR, None], [], None), id="a tool that comes later"),
        pytest.param([{**LATER, "cache_control": HOUR}, {}], [], None, ([None, None], [], None), id="one with none before it"),
        pytest.param([{"cache_control": HOUR}, LATER, {**LATER, "cache_control": FIVE}], [], None, ([HOUR, None, None], [], None), id="one is there"),
    ],
)  # fmt: skip
def test_marks(
    tools: Any, said: Any, automatic: Any, expected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = copy.deepcopy(tools)
    with caplog.at_level(logging.WARNING, "aivideoapi"):
        for _ in range(2):
            options = {} if automatic is None else {"cache_control": automatic}
            turns = [{"role": "user", "content": copy.deepcopy(said)}]
            sent = limit_marks(tools=tools, system=None, messages=turns, options=options)
    left = [[block.get("cache_control") for block in blocks] for blocks in (sent, turns[0]["content"])]
    assert (*left, options.get("cache_control")) == expected
    assert tools == before
    assert len(caplog.records) == len({record.getMessage() for record in caplog.records})
