"""The site builds without a warning and without the network, and its tables are the catalogue's."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import pytest
from doc_pages import DOCS, ROOT, pages
from mkdocs.commands.build import build
from mkdocs.config import load_config

import aivideoapi_core
from aivideoapi_core import APIStatusError, known_models

FROM_ELSEWHERE = re.compile(
    r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(https?:)?//(?!127\.0\.0\.1)[^\s\">]+"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Sockets are closed to everything but this machine, as in every test."""
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        found = [
            match.group()
            for match in FROM_ELSEWHERE.finditer(page.read_text(encoding="utf-8"))
            if "canonical" not in match.group()
        ]
        assert found == [], page


def test_tables_are_filled(site: Path) -> None:
    models = (site / "reference" / "models.html").read_text(encoding="utf-8")
    for info in known_models():
        assert models.count(f"<code>{info.id}</code>") >= 2
        assert info.prices is not None
        assert f">{info.prices.output:,}</td>" in models
    caching = (site / "howto" / "prompt-caching.html").read_text(encoding="utf-8")
    assert ">88.30</td>" in caching  # ten times 10,000 tokens at 883 microcredits
    assert ">19.04</td>" in caching  # one write at 1,103, nine reads at 89


def test_public_names_are_in_the_reference(site: Path) -> None:
    for module, page in (
        ("langchain_aivideoapi", "api-langchain"),
        ("llamaindex_aivideoapi", "api-llamaindex"),
        ("aivideoapi_core.sandbox", "api-sandbox"),
        ("aivideoapi_batch", "api-batch"),
    ):
        html = (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
        exported = __import__(module, fromlist=["__all__"]).__all__
        missing = [name for name in exported if not name.startswith("_") and f".{name}" not in html]
        assert missing == [], module


def test_every_documented_error_is_in_reference_and_troubleshooting(site: Path) -> None:
    reference = (site / "reference" / "api-core.html").read_text(encoding="utf-8")
    help_page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    for name in dir(aivideoapi_core):
        thing = getattr(aivideoapi_core, name)
        if not (isinstance(thing, type) and issubclass(thing, aivideoapi_core.AIVideoAPIError)):
            continue
        assert f"aivideoapi_core.{name}" in reference, name
        if issubclass(thing, APIStatusError) and thing not in (APIStatusError, aivideoapi_core.NotFoundError):
            assert f"`{name}`" in help_page, name


def test_error_classes_that_pages_name_exist() -> None:
    for page in pages():
        named = set(re.findall(r"`(\w+Error)`", page.read_text(encoding="utf-8")))
        known = {name for name in named if hasattr(aivideoapi_core, name) or hasattr(builtins, name)}
        assert all(name.startswith("Model") for name in named - known), (page, named - known)


def test_the_search_needs_no_server(site: Path) -> None:
    """Its index is a script, and so is what stands in for a worker: a page from a folder may fetch neither."""
    assert "AIVIDEOAPI_LEDGER" in (site / "search" / "search_index.js").read_text(encoding="utf-8")
    for page in (site / "index.html", site / "howto" / "tools.html"):
        assert "assets/iframe-worker.js" in page.read_text(encoding="utf-8")
