"""The notebooks run from the first cell to the last, without a key, and are stored without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from doc_pages import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
FORGET = "%reset -f"


def test_all_notebooks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in one kernel that forgets in between: importing the frameworks takes longest."""
    assert len(NOTEBOOKS) >= 2
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert "AIVIDEOAPI_API_KEY" not in os.environ

    together = nbformat.v4.new_notebook()
    for path in NOTEBOOKS:
        together.cells += [*nbformat.read(path, as_version=4).cells, nbformat.v4.new_code_cell(FORGET)]
    NotebookClient(together, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()

    code = [cell for cell in together.cells if cell.cell_type == "code"]
    assert "using a sandbox" in code[0].outputs[0]["text"]
    printed = [cell.source for cell in code if not cell.outputs and "print(" in cell.source]
    assert printed == [code[0].source]  # the second time there is a key


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_clean(path: Path) -> None:
    """Outputs are what a run prints, not what once was printed; execution counts make noise in diffs."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
