"""The files that GitHub reads, and what they say of the project, agree with the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import aivideoapi_core

ROOT = Path(__file__).parents[2]
GITHUB = sorted(path for path in (ROOT / ".github").rglob("*.yml"))


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "path", [*GITHUB, ROOT / "CITATION.cff", ROOT / ".pre-commit-config.yaml"], ids=lambda p: p.name
)
def test_it_can_be_read(path: Path) -> None:
    assert _read(path)


def test_the_citation_names_this_version() -> None:
    cited = _read(ROOT / "CITATION.cff")
    assert (cited["version"], cited["license"]) == (aivideoapi_core.__version__, "MIT")


def test_every_python_that_we_name_is_tested() -> None:
    matrix = _read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["tests"]["strategy"]["matrix"][
        "python"
    ]
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert all(f'"{version}"' in text for version in matrix)


def test_hooks_fetch_nothing() -> None:
    assert [repo["repo"] for repo in _read(ROOT / ".pre-commit-config.yaml")["repos"]] == ["local"]
