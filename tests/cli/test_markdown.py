"""Markdown becomes sentences: nothing of its notation left, nothing that it says lost but code."""

from __future__ import annotations

import pytest

from aivideoapi_cli.demo.markdown import Section, sections_of


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        pytest.param("one\ntwo\n\nthree", [("", "one two", "three")], id="paragraphs are unwrapped"),
        pytest.param("# A\n\n## B `c`\ntext", [("B c", "text")], id="a heading alone says nothing"),
        pytest.param("Title\n=====\ntext", [("Title", "text")], id="underlined heading"),
        pytest.param("- **a**: b\n  c\n- d\n  1. e", [("", "a: b c", "d", "e")], id="list items"),
        pytest.param("[a](u) ![b](v) <b>c</b> `d_e`", [("", "a b c d_e")], id="marks"),
        pytest.param("text\n```\n# code\n```\n    more\n", [("", "text")], id="code is left out"),
        pytest.param("# A\n```\ncode\n```", [("A", "code")], id="unless there is nothing else"),
        pytest.param(
            "| id | price |\n|---|--:|\n| `x` | 3 |\n| y | |",
            [("", "id: x; price: 3.", "id: y.")],
            id="table rows",
        ),
        pytest.param('!!! note "N"\n\n    inside\n', [("", "inside")], id="admonition"),
        pytest.param("---\ntitle: x\n---\ntext", [("", "text")], id="front matter"),
        pytest.param("<!-- hidden -->\n\n> said", [("", "said")], id="comment and quotation"),
        pytest.param("<!-- hidden -->\n", [], id="nothing"),
    ],
)
def test_sections_of(markdown: str, expected: list[tuple[str, ...]]) -> None:
    assert sections_of(markdown) == [
        Section(title, paragraphs) for title, *rest in expected for paragraphs in [tuple(rest)]
    ]
