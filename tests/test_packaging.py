"""The promises of the packages: what each exports, and who imports whom."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest
from source_files import FRAMEWORKS, PACKAGES, ROOT, imports, parsed, sources

import aivideoapi_core
from aivideoapi_core import adapter_kit

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
