"""A web page that shows tokens as they come and credits as they are spent.

python examples/web/app.py [PORT]

One endpoint, `/ask`, streams lines of JSON: `{"text": ...}` for each piece of the answer, then one
`{"credits": ...}`; or one `{"error": ...}` in the place of both. All visitors share one budget.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, StreamingResponse

sys.path.insert(0, str(Path(__file__).parents[1]))

from _connect import connect

from aivideoapi_core import AIVideoAPIError, CreditBudget
from langchain_aivideoapi import ChatAIVideoAPI

PAGE = Path(__file__).with_name("page.html")


def make_app() -> FastAPI:
    """The page and its endpoint. Key and address come from the environment."""
    app = FastAPI(title="Tokens and credits")
    budget = CreditBudget(limit_credits=20, window="hour")
    model = ChatAIVideoAPI(model="claude-sonnet-4-6", max_tokens=500, budget=budget)

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(PAGE)

    @app.get("/ask")
    def ask(question: str) -> StreamingResponse:
        # No caching and no buffering in between, or the tokens arrive in one lump.
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            lines_of(model, budget, question), media_type="application/x-ndjson", headers=headers
        )

    return app


async def lines_of(model: ChatAIVideoAPI, budget: CreditBudget, question: str) -> AsyncIterator[str]:
    """The answer to a question, as lines of JSON. A visitor who leaves ends the call."""
    try:
        usage: dict[str, Any] = {}
        reported = None
        async for chunk in model.astream(question):
            if chunk.text:
                yield json.dumps({"text": chunk.text}) + "\n"
            usage = dict(chunk.usage_metadata or usage)
            reported = chunk.response_metadata.get("credits_consumed", reported)
        standing = await budget.astanding()
        yield (
            json.dumps(
                {
                    "credits": {
                        "computed": shown(usage.get("credits_consumed_micro")),
                        "reported": reported,
                        "input_tokens": usage.get("input_tokens"),
                        "output_tokens": usage.get("output_tokens"),
                        "spent": shown(standing.spent_micro),
                        "limit": shown(standing.limit_micro),
                    }
                }
            )
            + "\n"
        )
    except AIVideoAPIError as error:
        # The class says what to do; its text never holds the key.
        yield json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n"


def shown(micro: int | None) -> str | None:
    """Microcredits as credits; unknown stays unknown."""
    return None if micro is None else f"{Decimal(micro).scaleb(-6):f}"


def main(port: int) -> None:
    connect()
    print(f"open http://127.0.0.1:{port}/ (Ctrl-C stops)")
    uvicorn.run(make_app(), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
