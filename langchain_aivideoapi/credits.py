"""The cost of LangChain runs: a context manager for everything inside, and a callback handler.

::

    with get_credits_callback() as credits:
        agent.invoke({"messages": [("user", "...")]})
    print(credits.summary)  # a table; .to_dict() is JSON

Runs of other providers' models are not counted: nobody knows what they cost in credits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from aivideoapi_core import CreditsSummary, SpendTracker, track_spend
from aivideoapi_core.adapter_kit import with_known_arguments
from langchain_aivideoapi._tags import FRAMEWORK


class CreditsCallbackHandler(BaseCallbackHandler):
    """Adds up tokens and credits of the calls of the runs it is on; ``summary`` has the sums, by model and by tag.

    Give it in ``callbacks``, to a model or in a call's config; it is on streams of either kind,
    batches, agents and whatever runs below. A cache hit costs nothing; a call that broke off after it
    may have been billed counts as unknown. Safe to use from many threads and tasks; copies share the
    sums. The client counts, so a streamed token costs next to nothing more.
    """

    # It hears of nothing: the model hands ``spend_tracker`` to its client with each call (``_tracing.trackers_of``).
    run_inline = True
    ignore_llm = ignore_chat_model = ignore_agent = ignore_chain = ignore_retriever = ignore_retry = True
    ignore_custom_event = True

    @with_known_arguments
    def __init__(self) -> None:
        super().__init__()
        self.spend_tracker = SpendTracker(framework=FRAMEWORK)

    @property
    def summary(self) -> CreditsSummary:
        """The sums so far."""
        return self.spend_tracker.summary

    def reset(self) -> None:
        """Forget every ended call."""
        self.spend_tracker.reset()

    def __copy__(self) -> CreditsCallbackHandler:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CreditsCallbackHandler:
        return self


@with_known_arguments
@contextmanager
def get_credits_callback() -> Iterator[SpendTracker]:
    """Add up every call of LangChain's that begins in the block, in its tasks and in the threads that LangChain starts.

    Threads of your own need the block's context: ``contextvars.copy_context().run``. Blocks nest;
    each counts. No handler is put on the runs: the client counts.
    """
    with track_spend(SpendTracker(framework=FRAMEWORK)) as block:
        yield block
