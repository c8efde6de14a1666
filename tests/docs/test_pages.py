"""Every code block of the documentation runs against a sandbox, and prints what the page says it prints."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import doc_pages
import pytest
from doc_pages import DOCS, blocks_of
from doc_tables import with_tables

# pytester forgets what a run inside has loaded, and neither numpy nor a model's class can be loaded twice.
import langchain_aivideoapi  # noqa: F401
import llamaindex_aivideoapi  # noqa: F401
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from aivideoapi_core.sandbox._script.replies import FAULT_KINDS

pytest_plugins = ["pytester"]

PAGES = [pytest.param(page, id=str(page.relative_to(DOCS))) for page in doc_pages.pages()]
EXECUTED = frozenset({"python", "bash"})
PLAIN = frozenset({"text", "json", "yaml", "toml"})


@pytest.fixture
def _a_sandbox_and_a_folder(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    from llama_index.core import Settings

    from aivideoapi_core._metering.telemetry_labels import _Chosen

    monkeypatch.setattr(_Chosen, "labels", None)  # what a page chooses is gone after it
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    monkeypatch.chdir(tmp_path)
    before = Settings._llm
    yield
    Settings._llm = before


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("_a_sandbox_and_a_folder")
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # some pages show what is warned of
def test_page_runs(page: Path) -> None:
    for block, printed, output in doc_pages.executed(page):
        if output is not None:
            assert doc_pages.matches(output.code, printed), (
                f"{page}:{block.line} prints\n{printed}\nbut the page says\n{output.code}"
            )


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_left_out_without_a_reason(page: Path) -> None:
    for block in blocks_of(page.read_text(encoding="utf-8")):
        place = f"{page}:{block.line}"
        assert block.language in EXECUTED | PLAIN, (
            f"{place}: {block.language!r} is neither run nor plain text"
        )
        if block.reason is not None:
            assert len(block.reason) > 10, f"{place}: that is no reason"
            if block.language == "python":
                compile(block.code, place, "exec")


def test_nox_installs_what_pages_need() -> None:
    """A block whose packages are in no environment would never run."""
    installed = (DOCS.parent / "noxfile.py").read_text(encoding="utf-8")
    for page in doc_pages.pages():
        for needs in re.findall(r"<!-- needs: (.+) -->", page.read_text(encoding="utf-8")):
            for module in needs.split(", "):
                assert f'"{re.sub("[._]", "-", module)}"' in installed, f"{page}: {module}"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if 'title="test_' in page.values[0].read_text(encoding="utf-8")],
)
def test_test_files_of_a_page_pass(page: Path, pytester: pytest.Pytester) -> None:
    """In a pytest of their own, as a user would run them, with the fixtures of the plugin alone."""
    tests = 0
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.title.startswith("test_") and block.reason is None:
            (pytester.path / block.title).write_text(block.code, encoding="utf-8")
            tests += block.code.count("\ndef test_")
    # In this process, since importing both frameworks once more would take longer than everything else.
    pytester.runpytest_inprocess(
        "-q", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    ).assert_outcomes(passed=tests)


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_current(page: Path) -> None:
    """``python tests/support/doc_pages.py PAGE`` writes them."""
    text = page.read_text(encoding="utf-8")
    assert text == with_tables(text)


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page} links to {target}, which is not there"


def test_the_page_on_testing_names_every_option_of_the_sandbox() -> None:
    page = (DOCS / "howto" / "testing.md").read_text(encoding="utf-8")
    rows = page[page.index("### Every option of `Reply`") :]
    for field in dataclasses.fields(Reply):
        assert f"`{field.name}`" in rows
    for kind in FAULT_KINDS:
        row = next(line for line in rows.splitlines() if f"`Fault.{kind}`" in line)
        for name in inspect.signature(getattr(Fault, kind)).parameters:
            assert name in row, f"{kind}: {name}"
