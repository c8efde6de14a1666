"""Citations of a request: all documents or none, all search results or none, and none beside a format."""

from __future__ import annotations

import logging
from typing import Any, Final

import pytest

from aivideoapi_core._outbound.citing import settle_citations

ON: Final = {"enabled": True}
OFF: Final = {"enabled": False}
SEARCH: Final = {"type": "web_search_20260318", "name": "web_search"}


@pytest.mark.parametrize(
    ("given", "options", "expected", "warnings"),
    [
        pytest.param([("document", ON), ("document", None)], {}, [ON, ON], 1, id="some documents"),
        pytest.param([("document", OFF), ("document", ON)], {}, [ON, ON], 1, id="one switched off"),
        pytest.param([("search_result", None), ("search_result", ON)], {}, [ON, ON], 1, id="some search results"),
        pytest.param([("document", None), ("search_result", ON)], {}, [None, ON], 0, id="each kind by itself"),
        pytest.param([("document", None), ("document", OFF)], {}, [None, OFF], 0, id="none"),
        pytest.param([("document", ON), ("document", ON)], {}, [ON, ON], 0, id="all"),
        pytest.param([("document", ON), ("search_result", ON)], {"has_format": True}, [None, None], 1, id="a format"),
        pytest.param([("document", ON), ("document", None)], {"has_format": True}, [None, None], 1, id="some, and a format"),
        pytest.param([("search_result", None), ("document", None)], {"tools": [SEARCH]}, [ON, None], 0, id="the server's search"),
    ],
)  # fmt: skip
def test_settled(
    given: Any, options: Any, expected: list[Any], warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "aivideoapi"):
        for _ in range(2):
            blocks = [{"type": kind} | ({"citations": {**on}} if on else {}) for kind, on in given]
            settle_citations(blocks, options.get("tools", ()), has_format=options.get("has_format", False))
    assert [block.get("citations") for block in blocks] == expected
    assert len(caplog.records) == warnings
