"""Objects out of a folder of texts: with a progress bar, a budget, and resume.

python examples/extract_folder.py [FOLDER] [OUTPUT.jsonl] [CREDITS]

Every finished file is one line of the output, written at once. Run it again and it goes on with what is missing:
after Ctrl-C, after an error, or with a new budget.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from _connect import connect
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aivideoapi_core import BudgetExceededError, CreditBudget
from llamaindex_aivideoapi import AIVideoAPI, track_credits

INVOICES = Path(__file__).parent / "data" / "invoices"
PROMPT = PromptTemplate("Extract the invoice.\n\n{text}")


class Invoice(BaseModel):
    """An invoice."""

    supplier: str = Field(description="Name of the company that sent it")
    city: str = Field(description="City of the company")
    total: float = Field(description="Total in euros")


def finished(output: Path) -> set[str]:
    """Names of the files that have a whole line already."""
    if not output.exists():
        return set()
    names = set()
    for line in output.read_text(encoding="utf-8").splitlines():
        try:
            names.add(json.loads(line)["file"])
        except (ValueError, KeyError):
            continue  # a line that was cut when the program was stopped
    return names


def main(folder: Path, output: Path, limit_credits: str) -> None:
    connect()
    done = finished(output)
    todo = [path for path in sorted(folder.glob("*.txt")) if path.name not in done]
    print(f"{len(done)} done before, {len(todo)} to do")
    llm = AIVideoAPI(model="claude-haiku-4-5/anthropic", max_tokens=300, budget=CreditBudget(limit_credits))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("[cyan]{task.fields[credits]} credits"),
        TimeRemainingColumn(),
    )
    with (
        track_credits() as bill,
        output.open("a", encoding="utf-8") as lines,
        Progress(*columns, console=Console(file=sys.stderr)) as progress,
    ):
        bar = progress.add_task("extracting", total=len(todo), credits="0.00")
        for path in todo:
            try:
                invoice = llm.structured_predict(Invoice, PROMPT, text=path.read_text(encoding="utf-8"))
            except BudgetExceededError as error:
                print(f"stopped: {error}\nrun it again with more credits; nothing is done twice")
                break
            lines.write(json.dumps({"file": path.name, **invoice.model_dump()}) + "\n")
            lines.flush()
            progress.update(bar, advance=1, credits=f"{bill.summary.credits or 0:.2f}")
    print(f"{len(finished(output))} lines in {output.name}\n{bill.summary}")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else INVOICES,
        Path(sys.argv[2]) if len(sys.argv) > 2 else Path("invoices.jsonl"),
        sys.argv[3] if len(sys.argv) > 3 else "50",
    )
