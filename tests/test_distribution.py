"""The distribution: versions, what is declared, what is shipped, what is kept out."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from source_files import PACKAGES, ROOT, imports, sources

import aivideoapi_core

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_one_version() -> None:
    assert importlib.metadata.version("aivideoapi-adapters") == aivideoapi_core.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+([ab]\d+|rc\d+)?", aivideoapi_core.__version__)


@pytest.mark.parametrize("folder", sorted((ROOT / "packaging").iterdir()), ids=lambda folder: folder.name)
def test_a_thin_distribution_brings_this_version(folder: Path) -> None:
    """`nox -s thin` builds and installs them."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (needed,) = (Requirement(item) for item in project["dependencies"])
    assert project["name"] == folder.name
    assert project["version"] == aivideoapi_core.__version__
    assert needed.name == PYPROJECT["project"]["name"]
    assert needed.specifier == SpecifierSet(f"=={aivideoapi_core.__version__}")
    assert needed.extras <= set(PYPROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("package", [*PACKAGES, "llama_index/llms/aivideoapi"])
def test_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_entry_points_lead_somewhere() -> None:
    scripts = PYPROJECT["project"]["scripts"].values()
    plugins = [
        target for group in PYPROJECT["project"].get("entry-points", {}).values() for target in group.values()
    ]
    for target in (*scripts, *plugins):
        module, _, attribute = target.partition(":")
        loaded = importlib.import_module(module)
        assert not attribute or callable(getattr(loaded, attribute)), target


def test_constraints_pin_a_version_that_every_requirement_allows() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[0-9][A-Za-z0-9.]*", line)] == []
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    project = PYPROJECT["project"]
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    for requirement in map(Requirement, [*wanted, *PYPROJECT["build-system"]["requires"]]):
        if requirement.name == project["name"]:
            continue
        assert requirement.url is None
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in constraints.txt"
        assert requirement.specifier.contains(version), f"{requirement} does not allow {version}"


def _installed_with(requirements: Iterable[str]) -> set[str]:
    """The distributions that installing ``requirements`` brings, as far as they are installed here."""
    found: set[str] = set()
    waiting = [Requirement(item) for item in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found and not requirement.extras:
            continue
        found.add(name)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            needs = [Requirement(item) for item in importlib.metadata.requires(name) or ()]
            extras = ["", *requirement.extras]
            waiting += [
                need
                for need in needs
                if not need.marker or any(need.marker.evaluate({"extra": x}) for x in extras)
            ]
            requirement.extras.clear()
    return found


def _distributions_by_name() -> dict[str, set[str]]:
    """As ``importlib.metadata.packages_distributions``, which makes an object of every file's line."""
    found: dict[str, set[str]] = defaultdict(set)
    for distribution in importlib.metadata.distributions():
        listed = (distribution.read_text("RECORD") or "").splitlines()
        first = {line.partition(",")[0].split("/")[0] for line in listed}
        for name in {*(distribution.read_text("top_level.txt") or "").split(), *first}:
            found[name.removesuffix(".py")].add(distribution.metadata["Name"])
    return found


def test_what_the_tests_import_is_declared() -> None:
    """A test must not rest on a package that only its author happens to have."""
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"].values()
    listed = [
        item for extra in (project["dependencies"], *extras) for item in extra if project["name"] not in item
    ]
    brought = _installed_with(listed)
    distributions = _distributions_by_name()
    local = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {"benchmarks", "tests", *PACKAGES}
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("tests")
        if "fuzz" not in path.parts  # run by hand
        for name in {found.split(".")[0] for found in imports(path)} - local - sys.stdlib_module_names
        if not brought & {canonicalize_name(found) for found in distributions.get(name, (name,))}
    }
    assert missing == set()


def test_the_extras_keep_the_frameworks_apart() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    base = " ".join(PYPROJECT["project"]["dependencies"])
    assert not re.search(r"lang|llama", base)
    assert not any("llama" in item for item in extras["langchain"])
    assert not any("lang" in item for item in extras["llamaindex"])
    assert not any("llama-index-llms-anthropic" in item for item in extras["dev"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str], str]:
    """File names of the wheel and of the sdist, and the wheel's metadata."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    with tarfile.open(sdist) as archive:
        return names, ["/".join(name.split("/")[1:]) for name in archive.getnames()], metadata


def test_wheel_has_the_packages_and_nothing_else(built: tuple[list[str], list[str], str]) -> None:
    names, _, metadata = built
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in (*PACKAGES, "llama_index")
        for path in sources(package)
    }
    assert {name for name in names if name.endswith(".py")} == expected
    assert {f"{package}/py.typed" for package in (*PACKAGES, "llama_index/llms/aivideoapi")} <= set(names)
    assert {f"aivideoapi_cli/documents/{name}.md" for name in ("README", "CONTRIBUTING")} <= set(names)
    assert "llama_index/__init__.py" not in names, "llama_index is a namespace that others share"
    assert "llama_index/llms/__init__.py" not in names, "llama_index.llms is a namespace that others share"
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {*PACKAGES, "llama_index"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "Requires-Dist: httpx" in metadata
    assert " @ " not in "".join(line for line in metadata.splitlines() if line.startswith("Requires-Dist"))


def test_sdist_can_be_built_and_tested(built: tuple[list[str], list[str], str]) -> None:
    _, names, _ = built
    needed = (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "constraints.txt",
        ".ci/run",
    )
    assert set(needed) - set(names) == set()
    assert any(name.startswith("tests/core/") for name in names)
    assert any(name.startswith("cassettes/sandbox/") for name in names)
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)


def project_files() -> list[Path]:
    """What belongs to the project: the tracked and the new files, or in an unpacked sdist all of them."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the git on PATH
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        skipped = {".venv", ".git", "__pycache__", "build", "dist"}
        paths = [path for path in ROOT.rglob("*") if not skipped & set(path.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


PRIVATE = {
    "a key": re.compile(r"\bsk-[A-Za-z0-9_-]*[A-Za-z0-9]{24,}"),
    "a path of somebody's machine": re.compile(r"(?<![\w.~/-])/(?:root|work|opt|home|Users)/[\w.-]+"),
    "a package index": re.compile(
        r"https?://[^\s\"'`)]*(?:pypi|artifactory|nexus|/simple\b)|find-links|index-url"
    ),
}


@pytest.mark.parametrize("what", [*PRIVATE])
def test_no_file_holds(what: str) -> None:
    found = []
    for path in project_files():
        text = path.read_bytes().decode("utf-8", "replace")
        if "\0" not in text and (match := PRIVATE[what].search(text)):
            line = text[: match.start()].count("\n") + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {match[0]}")
    assert found == []
