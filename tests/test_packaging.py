"""The promises of the packages: exports, versions, who imports whom, what is shipped, what is kept out."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import aivideoapi_core
from aivideoapi_core import adapter_kit

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = (
    "aivideoapi_core",
    "langchain_aivideoapi",
    "llamaindex_aivideoapi",
    "aivideoapi_batch",
    "aivideoapi_cli",
)
PUBLIC = (
    "aivideoapi_core",
    "aivideoapi_core.adapter_kit",
    "aivideoapi_core.sandbox",
    "langchain_aivideoapi",
    "llamaindex_aivideoapi",
    "llama_index.llms.aivideoapi",
    "aivideoapi_batch",
)

CORE_LAYERS = (
    {"_version", "_late", "_aliases", "_received", "_secrets", "_signatures", "_unvalidated", "_catalogue"},
    {"_errors"},
    {"_constructor_errors"},
    {"_outbound", "_inbound"},
    {"_metering"},
    {"_stores"},
    {"_http"},
    {"_fields"},
    {"_model_settings"},
    {"adapter_kit"},
    {"__init__"},
    {"pytest_plugin"},
)
"""The core's rooms: each imports those of the rows above and itself, never a neighbour of its row."""

UPWARD = {"aivideoapi_core/_stores/budget_balance.py": "_http"}
"""The one arrow that is allowed besides: ``CreditBudget.from_balance(None)`` makes a client, when it is called."""


SANDBOX_LAYERS = (
    {"_platform"},
    {"_script", "_judge"},
    {"_answers"},
    {"_server"},
    {"_sandbox"},
    {"pytest_plugin", "__init__"},
    {"__main__"},
)

ALLOWED = {
    "aivideoapi_core": set(),
    "langchain_aivideoapi": {"aivideoapi_core"},
    "llamaindex_aivideoapi": {"aivideoapi_core"},
    "llama_index": {"llamaindex_aivideoapi"},
    "aivideoapi_batch": {"aivideoapi_core", "langchain_aivideoapi", "llamaindex_aivideoapi"},
    "aivideoapi_cli": {
        "aivideoapi_core",
        "langchain_aivideoapi",
        "llamaindex_aivideoapi",
        "aivideoapi_batch",
    },
}
"""Which of our packages each may import. The command may use their public modules, the others only the
root, and the adapters the face that the core has for them."""

FRAMEWORKS = ("langchain", "langchain_core", "langgraph", "llama_index", "deepagents", "anthropic", "openai")


def sources(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement below ``tree``, whose expressions nobody asks for here."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(node, part, ())
            waiting += below if isinstance(below, list) else ()


@functools.cache
def imports(path: Path, *, at_import: bool = False) -> tuple[str, ...]:
    """Every module that a file names in an import, wherever in the file, or only ``at_import``."""
    tree = parsed(path)
    found: list[str] = []
    for node in tree.body if at_import else statements(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
    return tuple(found)


def own(name: str) -> bool:
    return name.split(".")[0] in PACKAGES or name.startswith("llama_index.llms.aivideoapi")


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_sorted_and_complete(name: str) -> None:
    module = importlib.import_module(name)
    exported = list(module.__all__)
    # The linter's order: constants, classes, functions; each alphabetical.
    assert exported == sorted(set(exported), key=lambda item: (_kind(item), item))
    assert [item for item in exported if not hasattr(module, item)] == []
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and own(node.module or "")
        for alias in node.names
    }
    assert imported - set(exported) == set()


@pytest.mark.parametrize("module", [aivideoapi_core, adapter_kit], ids=["core", "adapter_kit"])
def test_what_is_imported_later_is_what_a_type_checker_sees(module: ModuleType) -> None:
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    (checked,) = (
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {
        alias.name: (node.module or "").partition(".")[2]
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: home.removeprefix("aivideoapi_core.") for name, home in module._LATER.items()}


def _pages() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield from (ROOT / "docs").rglob("*.md")


def test_every_public_name_of_the_core_is_on_a_page() -> None:
    said = set(re.findall(r"\w+", " ".join(page.read_text(encoding="utf-8") for page in _pages())))
    assert [name for name in aivideoapi_core.__all__ if name not in said] == []


def test_no_page_or_example_imports_the_face_for_adapters() -> None:
    examples = [path for path in (ROOT / "examples").rglob("*") if path.suffix in (".py", ".ipynb", ".md")]
    for path in [*_pages(), *examples]:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"(?:from|import) aivideoapi_core\.adapter_kit|import adapter_kit", text) == [], (
            path
        )


def test_the_two_faces_share_no_name() -> None:
    assert set(aivideoapi_core.__all__) & set(adapter_kit.__all__) == set()


@pytest.mark.parametrize("name", sorted(aivideoapi_core._MOVED))
def test_names_that_left_the_root_answer_with_a_warning(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"aivideoapi_core.{name} is internal"):
        value = getattr(aivideoapi_core, name)
    home = importlib.import_module(f"aivideoapi_core.{aivideoapi_core._MOVED[name]}")
    assert value is getattr(home, name)
    assert name not in aivideoapi_core.__all__


def _kind(name: str) -> int:
    return 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2


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


def rooms_of(package: str, layers: tuple[set[str], ...]) -> Iterator[tuple[str, str, str]]:
    """(file, its room, a room that it imports) for every import of ``package`` within itself."""
    prefix = package.replace("/", ".") + "."
    names = set().union(*layers)
    for path in sources(package):
        inner = path.relative_to(ROOT / package)
        room = inner.parts[0].removesuffix(".py")
        if room not in names:
            assert room == "sandbox", f"{path.relative_to(ROOT)} is in no room of the plan"
            continue
        for name in imports(path):
            if name + "." == prefix:
                if room not in ("pytest_plugin", "__main__"):
                    yield str(inner), room, "__init__"
            elif (name.startswith(prefix) and not name.startswith("aivideoapi_core.sandbox")) or (
                package.endswith("sandbox") and name.startswith(prefix)
            ):
                yield str(inner), room, name.removeprefix(prefix).split(".")[0]


@pytest.mark.parametrize(
    ("package", "layers"), [("aivideoapi_core", CORE_LAYERS), ("aivideoapi_core/sandbox", SANDBOX_LAYERS)]
)
def test_rooms_import_only_what_is_below_them(package: str, layers: tuple[set[str], ...]) -> None:
    floor = {name: number for number, row in enumerate(layers) for name in row}
    wrong = [
        f"{file} imports {used}"
        for file, room, used in rooms_of(package, layers)
        if used != room and not floor[used] < floor[room] and UPWARD.get(f"{package}/{file}") != used
    ]
    assert wrong == []


@pytest.mark.parametrize("package", [*PACKAGES])
def test_files_import_each_other_in_no_circle(package: str) -> None:
    """Nor by an import for the type checker or when a function is called, but for what is called late."""
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): set(
            imports(path, at_import=path.relative_to(ROOT).as_posix() in UPWARD)
        )
        for path in sources(package)
    }
    inner = {
        file: {name for name in used if name in graph and name not in (file, package)}
        for file, used in graph.items()
    }
    tuple(TopologicalSorter(inner).static_order())  # raises CycleError


@pytest.mark.parametrize("package", ["langchain_aivideoapi", "llamaindex_aivideoapi"])
def test_outbound_and_inbound_of_an_adapter_are_apart(package: str) -> None:
    for one, other in (("_outbound", "_inbound"), ("_inbound", "_outbound")):
        for path in sources(f"{package}/{one}"):
            assert not any(name.startswith(f"{package}.{other}") for name in imports(path)), path


def test_rooms_hold_a_docstring_and_nothing_else_of_their_own() -> None:
    """A re-export there would undo the late imports."""
    for package in PACKAGES[:3]:
        for path in sources(package):
            if path.name == "__init__.py" and path.parent.name.startswith("_"):
                body = parsed(path).body
                assert [type(node) for node in body] == [ast.Expr], path


def test_only_the_network_room_imports_httpx() -> None:
    users = {
        path.relative_to(ROOT / "aivideoapi_core").parts[0]
        for path in sources("aivideoapi_core")
        if "httpx" in {name.split(".")[0] for name in imports(path)}
    }
    assert users == {
        "_http",
        "_fields.py",
    }  # the latter for a type checker, and when a field is given a value


def test_the_sandbox_is_independent() -> None:
    """Standard library only, and nothing of the code that it is there to test."""
    for path in sources("aivideoapi_core/sandbox"):
        for name in imports(path):
            if name.split(".")[0] in sys.stdlib_module_names or name == "aivideoapi_core.sandbox":
                continue
            if name == "pytest" and path.name == "pytest_plugin.py":
                continue
            assert name.startswith("aivideoapi_core.sandbox."), f"{path.name} imports {name}"


@pytest.mark.parametrize("package", [*ALLOWED])
def test_packages_import_only_what_they_may(package: str) -> None:
    for path in sources(package):
        if "sandbox" in path.relative_to(ROOT).parts[:-1]:
            continue
        for name in imports(path):
            if own(name) and name.split(".")[0] != package:
                root, *rest = name.split(".")
                public = package == "aivideoapi_cli" and not any(part.startswith("_") for part in rest)
                integrates = package.endswith("_aivideoapi") or package == "aivideoapi_batch"
                public = public or (integrates and name == "aivideoapi_core.adapter_kit")
                allowed = root in ALLOWED[package] and (not rest or public)
                assert allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_adapters_name_no_other_framework() -> None:
    others = {
        "langchain_aivideoapi": {"llama_index"},
        "llamaindex_aivideoapi": set(FRAMEWORKS) - {"llama_index"},
    }
    for package, banned in others.items():
        for path in sources(package):
            assert {name.split(".")[0] for name in imports(path)} & banned == set(), path


@functools.cache
def loaded_by(module: str) -> frozenset[str]:
    """What a fresh program that imports ``module`` has loaded."""
    return frozenset(_python(f"import sys, {module}; print(*sys.modules)").split())


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("aivideoapi_core", {*FRAMEWORKS, *PACKAGES[1:], "typer", "pytest", "httpx", "sqlite3", "redis"}),
        ("aivideoapi_core._http.client", {*FRAMEWORKS, *PACKAGES[1:], "httpcore", "asyncio", "anyio"}),
        ("aivideoapi_core.sandbox", {*FRAMEWORKS, *PACKAGES[1:]}),
        ("langchain_aivideoapi", {*FRAMEWORKS, *PACKAGES[2:], "typer", "httpx"} - {"langchain_core"}),
        ("llamaindex_aivideoapi", {*FRAMEWORKS, "langchain_aivideoapi", "aivideoapi_cli"} - {"llama_index"}),
        (
            "aivideoapi_batch",
            {*FRAMEWORKS, *PACKAGES[1:], "typer", "httpx", "ray", "redis", "pandas", "pyarrow"},
        ),
        ("aivideoapi_cli", {*FRAMEWORKS, *PACKAGES[:3], "rich", "typer"}),
        ("aivideoapi_cli._app", {*FRAMEWORKS, *PACKAGES[:3], "httpx"}),
    ],
)
def test_import_loads_no_more_than_it_needs(module: str, banned: set[str]) -> None:
    assert loaded_by(module) & (banned - {module.split(".")[0]}) == set()


@pytest.mark.parametrize("module", ["langchain_aivideoapi", "llamaindex_aivideoapi"])
def test_import_loads_nothing_that_translates(module: str) -> None:
    """What reads and writes messages comes with the first model or call."""
    rooms = (
        "aivideoapi_core._outbound.",
        "aivideoapi_core._inbound.",
        f"{module}._outbound.",
        f"{module}._call",
    )
    assert [name for name in loaded_by(module) if name.startswith(rooms)] == []


QUIET = """
import sys
watched, done = [], dict()
def note(event, arguments):
    if watched and event.startswith(("socket.", "subprocess.", "os.mkdir", "os.remove", "os.rename", "urllib.")):
        done[watched[0]] += [f"{event} {arguments}"]
    if watched and event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        if "__pycache__" not in str(arguments[0]):
            done[watched[0]] += [f"wrote {arguments[0]}"]
sys.addaudithook(note)
for module, first in FIRST:
    exec("import " + first)
    watched[:], done[module] = [module], []
    exec("import " + module)
    watched.clear()
print(done)
"""
FIRST = [
    ("aivideoapi_core", "httpx, pydantic"),
    ("aivideoapi_core.sandbox", "httpx, pydantic"),
    ("aivideoapi_batch", "pydantic, sqlite3, asyncio"),
    ("langchain_aivideoapi", "httpx, langchain_core.language_models.chat_models"),
    ("llamaindex_aivideoapi", "httpx, llama_index.core"),
    ("aivideoapi_cli._app", "typer, rich.console"),
]
"""In this order, one program imports them all; each after what it may import before it is watched."""


@functools.cache
def done_at_import() -> dict[str, list[str]]:
    """What else than reading each module does while it is imported."""
    done: dict[str, list[str]] = ast.literal_eval(_python(QUIET.replace("FIRST", repr(FIRST))))
    return done


@pytest.mark.parametrize("module", [module for module, _ in FIRST])
def test_import_does_no_io(module: str) -> None:
    """What the frameworks do at import is theirs; ours adds nothing."""
    assert done_at_import()[module] == []


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
