"""A graph that drafts a reply, stops for a person, and goes on in another process, from a SQLite file.

python examples/langgraph_checkpointer.py            both halves, the second in a process of its own
python examples/langgraph_checkpointer.py resume DB  the second half alone
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _connect import connect
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from langchain_aivideoapi import ChatAIVideoAPI

THREAD: RunnableConfig = {"configurable": {"thread_id": "ticket-17"}}
TICKET = [
    ("user", "My lamp arrived broken."),
    ("assistant", "I am sorry. Did you keep the parcel?"),
    ("user", "Yes. What did I tell you about my lamp?"),
]


def draft(state: MessagesState) -> dict[str, Any]:
    """Let the model answer."""
    return {"messages": [ChatAIVideoAPI(model="claude-sonnet-4-6", max_tokens=400).invoke(state["messages"])]}


def approve(state: MessagesState) -> Command[str]:
    """Stop, and ask a person."""
    verdict = interrupt({"draft": state["messages"][-1].text})
    return Command(goto=END if verdict == "send" else "draft")


def build(saver: SqliteSaver) -> Any:
    """The graph: draft, then approve, which ends or goes back."""
    graph = StateGraph(MessagesState)
    graph.add_node("draft", draft)
    graph.add_node("approve", approve, destinations=("draft", END))
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "approve")
    return graph.compile(checkpointer=saver)


def begin(database: str) -> None:
    """Run until the person is asked."""
    with SqliteSaver.from_conn_string(database) as saver:
        graph = build(saver)
        state = graph.invoke({"messages": TICKET}, THREAD)
        print("draft :", state["__interrupt__"][0].value["draft"])


def resume(database: str) -> None:
    """Go on from the file, with the person's answer. Usage and credits are in the file too."""
    with SqliteSaver.from_conn_string(database) as saver:
        graph = build(saver)
        print("waits :", graph.get_state(THREAD).next)
        message = graph.invoke(Command(resume="send"), THREAD)["messages"][-1]
        print("sent  :", message.text)
        print("cost  :", message.usage_metadata["credits_consumed_micro"], "microcredits")


def main() -> None:
    if sys.argv[1:2] == ["resume"]:
        resume(sys.argv[2])
        return
    connect()
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "checkpoints.sqlite")
        begin(database)
        print("\n... the process ends here; another one goes on:\n", flush=True)
        command = [sys.executable, str(Path(__file__).resolve()), "resume", database]
        finished = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this file
        print(finished.stdout, end="")


if __name__ == "__main__":
    main()
