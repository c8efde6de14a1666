"""The notebooks run from the first cell to the last, without a key, each in a kernel of its own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import nbformat
import pytest
from doc_pages import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def test_all_notebooks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side: most of the time is spent on imports."""
    assert len(NOTEBOOKS) >= 2
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert "AIVIDEOAPI_API_KEY" not in os.environ

    async def run(path: Path) -> nbformat.NotebookNode:
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
        return await client.async_execute()

    async def main() -> list[nbformat.NotebookNode]:
        return await asyncio.gather(*map(run, NOTEBOOKS))

    for notebook in asyncio.run(main()):
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        assert "using a sandbox" in first.outputs[0]["text"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_clean(path: Path) -> None:
    """Outputs are what a run prints, not what once was printed; execution counts make noise in diffs."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
