"""The notebooks run from the first cell to the last, without a key, and print what is saved in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from notebooks import NOTEBOOKS, ROOT, run


def test_all_notebooks_print_what_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(NOTEBOOKS) >= 2
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert "AIVIDEOAPI_API_KEY" not in os.environ
    for path, ran in zip(NOTEBOOKS, run(NOTEBOOKS, tmp_path), strict=True):
        saved = [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert "using a sandbox" in saved[0][0]["text"]
        # After the first cell, which prints that only where there is no key yet.
        assert [_texts(cell.outputs) for cell in ran[1:]] == [_texts(outputs) for outputs in saved[1:]], (
            f"{path.name}: python tests/support/notebooks.py saves what it prints now"
        )


def _texts(outputs: list[Any]) -> list[str]:
    return [output.get("text") or output["data"]["text/plain"] for output in outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_well_formed(path: Path) -> None:
    """With outputs, so that it can be read where nothing runs; without counts, which make noise in diffs."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count is None for cell in cells)
    assert all(cell.outputs for cell in cells if "print(" in cell.source)
