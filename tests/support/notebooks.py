"""The notebooks of the examples: run, and saved with what they print.

``python tests/support/notebooks.py`` runs them against a sandbox and writes their outputs, which a test compares.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient

ROOT: Final = Path(__file__).resolve().parents[2]
NOTEBOOKS: Final = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
_FORGET: Final = "%reset -f"


def run(paths: Sequence[Path], folder: Path) -> list[list[Any]]:
    """The code cells of each notebook after a run from the first to the last, with what they print.

    One after the other in one kernel that forgets in between: importing the frameworks takes longest.
    """
    together = nbformat.v4.new_notebook()
    counts = []
    for path in paths:
        cells = _code(nbformat.read(path, as_version=4))
        counts.append(len(cells))
        together.cells += [*cells, nbformat.v4.new_code_cell(_FORGET)]
    NotebookClient(together, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    ran = iter(together.cells)
    notebooks = []
    for count in counts:
        notebooks.append([_clean(next(ran)) for _ in range(count)])
        next(ran)  # the one that forgets
    return notebooks


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _clean(cell: Any) -> Any:
    """Without what differs from run to run: the order of execution, warnings about the machine, where a text was cut."""
    cell.execution_count = None
    cell.metadata = {}
    outputs, cell.outputs = cell.outputs, []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        last = cell.outputs[-1] if cell.outputs else {}
        if last.get("output_type") == output.output_type == "stream":
            last.text += output.text
            continue
        cell.outputs.append(output)
        if "execution_count" in output:
            output.execution_count = None
    return cell


def main() -> None:
    """Write the outputs into the notebooks."""
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ.pop("AIVIDEOAPI_API_KEY", None)
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["IPYTHONDIR"] = os.environ["JUPYTER_RUNTIME_DIR"] = folder
            (ran,) = run([path], Path(folder))
        notebook = nbformat.read(path, as_version=4)
        for cell, done in zip(_code(notebook), ran, strict=True):
            cell.outputs, cell.execution_count = done.outputs, None
        nbformat.write(notebook, path)
        sys.stdout.write(f"{path.name}: {len(ran)} cells\n")


if __name__ == "__main__":
    main()
