"""The README is true: its Python runs, its tables match the code, its commands are the ones that are tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aivideoapi_core
from aivideoapi_core import known_models
from aivideoapi_core.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    pytest.param(
        match[1],
        README[: match.start()].count("\n") + 2,
        id=f"line-{README[: match.start()].count(chr(10)) + 2}",
    )
    for match in re.finditer(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
]
COMMANDS = (
    'python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt ".[all]" && .venv/bin/aivideoapi demo',
    "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e "
    '".[all,dev]" && .venv/bin/python -m pytest -n auto --dist worksteal',
)


@pytest.mark.parametrize(("block", "line"), BLOCKS)
def test_python_runs(
    block: str,
    line: int,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    source = "\n" * (line - 1) + block  # so that a failure names the README's line
    exec(compile(source, str(ROOT / "README.md"), "exec"), {"__name__": "__main__"})  # noqa: S102 - our own README
    if "print(" in block and "except" not in block:
        assert capsys.readouterr().out.strip()


def test_there_are_blocks() -> None:
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_the_two_commands_are_there_as_they_are_tested(command: str) -> None:
    assert [line.strip() for line in README.splitlines()].count(command) == 1


def test_model_table_matches_the_catalogue() -> None:
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in README.splitlines()
        if line.startswith("| `claude-")
    ]
    assert rows == [
        [
            info.id,
            info.route.value,
            f"{info.context_window // 1000}K".replace("1000K", "1M"),
            *(
                "-" if price is None else str(price)
                for price in (
                    info.prices.input,
                    info.prices.cache_read,
                    info.prices.cache_write_5m,
                    info.prices.cache_write_1h,
                    info.prices.output,
                )
            ),
        ]
        for info in known_models()
        if info.prices is not None
    ]


def test_every_error_class_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"`(\w+Error)`", README))
    assert named
    assert {name for name in named if not hasattr(aivideoapi_core, name)} == set()


def test_the_published_example_is_quoted_right() -> None:
    assert "68,400 microcredits computed, beside 0.06 credits reported" in README
