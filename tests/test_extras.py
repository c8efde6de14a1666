"""Each framework's extra alone brings nothing of the other framework.

Read from pyproject.toml and from the metadata of what is installed, so without a network. ``nox -s extras`` installs each extra into an
environment of its own and makes a call there.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aivideoapi_core.adapter_kit import pip_install

PROJECT = "aivideoapi-adapters"
ROOT = Path(__file__).parents[1]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _noxfile() -> ModuleType:
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NOX = _noxfile()


def brought_by(requirement: str) -> set[str]:
    """The distributions that installing ``requirement`` brings: its requirements, theirs, and so on.

    Raises PackageNotFoundError if one of them is not installed here, since nobody knows what it brings.
    """
    found: dict[str, set[str]] = {}
    waiting = [Requirement(requirement)]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        extras = {"", *wanted.extras}
        new = extras - found.setdefault(name, set())
        found[name] |= new
        waiting.extend(_requirements_of(name, new))
    return set(found)


def _requirements_of(name: str, extras: Iterable[str]) -> list[Requirement]:
    if name == PROJECT:
        own = {"": DECLARED["dependencies"], **DECLARED["optional-dependencies"]}
        return [Requirement(item) for extra in extras for item in own[extra]]
    listed = [Requirement(item) for item in importlib.metadata.requires(name) or ()]
    return [
        item
        for extra in extras
        for item in listed
        if item.marker is None or item.marker.evaluate({"extra": extra})
    ]


@pytest.mark.parametrize(
    ("extra", "own", "foreign"),
    [
        ("langchain", "langchain-core", NOX.FOREIGN["langchain"]),
        ("llamaindex", "llama-index-core", NOX.FOREIGN["llamaindex"]),
    ],
)
def test_an_extra_brings_one_framework(extra: str, own: str, foreign: tuple[str, ...]) -> None:
    names = brought_by(f"{PROJECT}[{extra}]")
    assert {own, "httpx", "pydantic"} <= names
    assert {name for name in names if name.startswith(foreign)} == set()


def test_without_an_extra_there_is_no_framework() -> None:
    names = brought_by(PROJECT)
    assert {"httpx", "pydantic"} <= names
    assert {name for name in names if name.startswith(("lang", "llama", "typer", "rich"))} == set()


def test_the_command_alone_brings_no_framework() -> None:
    names = brought_by(f"{PROJECT}[cli]")
    assert {"typer", "rich"} <= names
    assert {name for name in names if name.startswith(NOX.FOREIGN["cli"])} == set()


@pytest.mark.parametrize("extra", ["demo", "all", "examples"])
def test_both_come_with_what_needs_both(extra: str) -> None:
    assert {"langchain-core", "llama-index-core", "typer", "rich"} <= brought_by(f"{PROJECT}[{extra}]")


def test_all_brings_what_each_part_of_the_command_can_use() -> None:
    assert {"langchain", "markdown-it-py", "prompt-toolkit", "redis"} <= brought_by(f"{PROJECT}[all]")


@pytest.mark.parametrize("extra", [*NOX.PROGRAMS])
def test_the_programs_of_the_real_check_run(extra: str) -> None:
    """What ``nox -s extras`` runs in its fresh environments works here too."""
    exec(NOX.PROGRAMS[extra], {})  # noqa: S102 - our own program


def test_every_dependency_of_the_adapters_has_a_lower_bound_that_is_tried() -> None:
    tried = {bound.partition("==")[0] for extra in NOX.LOWEST for bound in NOX.lower_bounds(extra)}
    extras = DECLARED["optional-dependencies"]
    needed = {
        Requirement(item).name
        for item in (*DECLARED["dependencies"], *extras["langchain"], *extras["llamaindex"], *extras["fast"])
    }
    assert tried == needed


@pytest.mark.parametrize(
    ("adapter", "framework", "extra"),
    [
        ("langchain_aivideoapi", "langchain_core", "langchain"),
        ("llamaindex_aivideoapi", "llama_index.core", "llamaindex"),
    ],
)
def test_an_adapter_without_its_framework_says_what_to_install(
    adapter: str, framework: str, extra: str
) -> None:
    program = f"import sys; sys.modules[{framework!r}] = None; import {adapter}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: {adapter} needs {framework.replace('_', '-').replace('.', '-')}: "
        f"{pip_install(extra)}"
    )
