"""Arguments that are not there, of another kind or of the other framework: an error of ours, before anything is sent, that says
what to do. In tables by who makes the mistake.
"""

from __future__ import annotations

import enum
import io
import logging
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from llama_index.core import PromptTemplate
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import FunctionTool

from aivideoapi_batch import BatchJob, Pace, RedisJournal, SQLiteJournal, prompt_call
from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    CalendarWindow,
    CallRecord,
    CreditBudget,
    InvalidInputError,
    JointBudget,
    MessagesClient,
    RetryPolicy,
    SpendLedger,
    base_model,
    build_headers,
    build_payload,
    compare_routes,
    cost_of,
    estimate_credits,
    estimate_input_tokens,
    estimate_text_tokens,
    is_loopback_url,
    max_input_tokens,
    model_info,
    parse_body,
    prices_of,
    resolve_base_url,
    route_of,
    spend_for,
    spend_tags,
    track_spend,
    what_if,
)
from aivideoapi_core._outbound.text import _TOLD_OF
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import (
    AIVideoAPIPromptCachingMiddleware,
    BudgetLandingMiddleware,
    ChatAIVideoAPI,
    CreditsCallbackHandler,
    get_credits_callback,
)
from llamaindex_aivideoapi import (
    AIVideoAPI,
    BudgetLandingLLM,
    CitationSynthesizer,
    CreditsEventHandler,
    track_credits,
)

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"
BODY: dict[str, Any] = {"model": NATIVE, "stream": False, "messages": [{"role": "user", "content": "Hello"}]}
PASSAGE = NodeWithScore(node=TextNode(text="Tea is a drink."))
Use = Callable[[], Any]


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


@tool
def search(query: str) -> str:
    """Search."""
    return query


SEARCH = FunctionTool.from_defaults(lambda query: str(query), name="search", description="Search.")


@pytest.fixture
def chat(sandbox: Sandbox) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)


@pytest.fixture
def llm(sandbox: Sandbox) -> AIVideoAPI:
    return AIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)


LANGCHAIN: list[tuple[Callable[[ChatAIVideoAPI], Any], str]] = [
    (lambda m: m.with_structured_output(5), "schema must be a pydantic, TypedDict or dataclass class"),  # type: ignore[arg-type]
    (lambda m: m.with_structured_output(m), "not an instance of ChatAIVideoAPI"),  # type: ignore[arg-type]
    (
        lambda m: m.with_structured_output({"colour": "a word"}),
        "a JSON schema says what is wanted, .* has \\['colour'\\] alone",
    ),
    (
        lambda m: m.invoke("Hello", response_format={"colour": "a word"}),
        "a JSON schema says what is wanted",
    ),
    (lambda m: m.with_structured_output(Colour, strict="yes"), "strict must be True or False, not 'yes'"),  # type: ignore[arg-type]
    (lambda m: m.with_structured_output(Colour, include_raw="no"), "include_raw must be True or False"),  # type: ignore[arg-type]
    (lambda m: m.bind_tools([search], strict="yes"), "strict must be True or False"),  # type: ignore[arg-type]
    (lambda m: m.bind_tools([search], parallel_tool_calls="no"), "parallel_tool_calls must be True or False"),  # type: ignore[arg-type]
    (
        lambda m: m.invoke(
            "Hello", tools=[{"name": "a", "input_schema": {"type": "object"}, "strict": "yes"}]
        ),
        "tool 'a': strict must be True or False",
    ),
    (lambda m: m.get_num_tokens(None), "tokens are estimated of a text, not of a NoneType"),  # type: ignore[arg-type]
    (lambda m: m.get_num_tokens_from_messages(5), "messages must be a list of messages, not a int"),  # type: ignore[arg-type]
    (lambda m: CitationSynthesizer(llm=m), "llm must be an LLM of LlamaIndex"),  # type: ignore[arg-type]
    (lambda m: m.invoke([ChatMessage("Hello")]), "messages\\[0\\] is no message that LangChain can read"),  # type: ignore[list-item]
    (lambda m: m.model_copy(update={"timeout": True}), "timeout must be a positive number"),
]
LLAMAINDEX: list[tuple[Callable[[AIVideoAPI], Any], str]] = [
    (lambda m: m.chat("Hello"), "messages must be a list"),  # type: ignore[arg-type]
    (lambda m: m.chat(ChatMessage("Hello")), "messages must be a list"),  # type: ignore[arg-type]
    (lambda m: m.chat([HumanMessage("Hello")]), "not a list of HumanMessage"),  # type: ignore[list-item]
    (lambda m: m.stream_chat(["Hello"]), "not a list of str"),  # type: ignore[list-item]
    (lambda m: m.complete(5), "prompt must be text, not a int"),  # type: ignore[arg-type]
    (lambda m: m.complete(ChatMessage("Hello")), "prompt must be text, not a ChatMessage"),  # type: ignore[arg-type]
    (lambda m: m.stream_complete(["Hello"]), "prompt must be text, not a list"),  # type: ignore[arg-type]
    (lambda m: m.as_structured_llm(int), "as_structured_llm takes a pydantic class"),  # type: ignore[type-var]
    (lambda m: m.chat_with_tools([SEARCH], "x", tool_required="yes"), "tool_required must be True or False"),  # type: ignore[arg-type]
    (
        lambda m: m.chat_with_tools([SEARCH], "x", allow_parallel_tool_calls="no"),
        "allow_parallel_tool_calls must",
    ),  # type: ignore[arg-type]
    (lambda m: CitationSynthesizer(llm=5), "llm must be an LLM of LlamaIndex"),  # type: ignore[arg-type]
    (lambda m: CitationSynthesizer(llm=m, streming=True), "did you mean 'streaming'"),
    (lambda m: CitationSynthesizer(llm=m, streaming="yes"), "streaming must be True or False"),
    (lambda m: CitationSynthesizer(llm=m).synthesize("x", nodes=[PASSAGE.node]), "one is a TextNode"),  # type: ignore[list-item]
    (lambda m: CitationSynthesizer(llm=m).get_response("x", "Tea"), "text_chunks must be a list of texts"),
    (lambda m: prompt_call(m, ""), "prompt must be a text"),
    (lambda m: prompt_call(m, "Say {text}", max_token=5), "did you mean 'max_tokens'"),
    (lambda m: BudgetLandingLLM(llm=m), "it is an LLM itself"),
    (lambda m: BudgetLandingLLM(m), "model must be a model id such as"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("use", "said"), LANGCHAIN, ids=[said for _, said in LANGCHAIN])
def test_who_moves_over_is_told(
    use: Callable[[ChatAIVideoAPI], Any], said: str, chat: ChatAIVideoAPI, sandbox: Sandbox
) -> None:
    with pytest.raises(AIVideoAPIError, match=said):
        use(chat)
    assert not sandbox.requests


@pytest.mark.parametrize(("use", "said"), LLAMAINDEX, ids=[said for _, said in LLAMAINDEX])
def test_who_retrieves_is_told(
    use: Callable[[AIVideoAPI], Any], said: str, llm: AIVideoAPI, sandbox: Sandbox
) -> None:
    with pytest.raises(AIVideoAPIError, match=said):
        use(llm)
    assert not sandbox.requests


async def test_the_asynchronous_methods_say_the_same(llm: AIVideoAPI, sandbox: Sandbox) -> None:
    calls: list[tuple[Callable[..., Any], Any, str]] = [
        (llm.achat, "Hello", "messages must be a list"),
        (llm.astream_chat, [HumanMessage("Hello")], "not a list of HumanMessage"),
        (llm.acomplete, 5, "prompt must be text"),
        (llm.astream_complete, ["Hello"], "prompt must be text"),
    ]
    for call, given, said in calls:
        with pytest.raises(InvalidInputError, match=said):
            await call(given)
    assert not sandbox.requests


@pytest.mark.parametrize("make", [ChatAIVideoAPI, AIVideoAPI])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timeout": True}, "timeout must be a number of seconds"),
        ({"model": 5}, "model must be a model id such as"),
        ({"ledger": SpendLedger}, "ledger must be an instance of SpendLedger"),
    ],
    ids=str,
)
def test_a_setting_of_another_kind(make: Any, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        make(**{"model": NATIVE, "api_key": "sk-1", **wrong})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ChatAIVideoAPI(NATIVE, api_key="sk-1"), "takes its settings by name"),  # type: ignore[misc]
        (lambda: ChatAIVideoAPI(model=NATIVE, api_key="sk-1", output_version="v3"), "must be 'v0' or 'v1'"),
        (
            lambda: AIVideoAPI(api_key="sk-1", callback_manager=CreditsCallbackHandler()),
            "must be a CallbackManager",
        ),
        (lambda: AIVideoAPI(api_key="sk-1", output_parser="x"), "must be a BaseOutputParser"),
    ],
    ids=["position", "version", "callbacks", "parser"],
)
def test_a_setting_that_one_framework_has(make: Use, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        make()


ARGUMENTS: list[tuple[Use, str]] = [
    (lambda: CreditBudget(), "CreditBudget needs limit_credits="),  # type: ignore[call-arg]
    (lambda: CreditBudget(10, "day"), "takes only limit_credits without its name; by name: window=, soft="),  # type: ignore[misc]
    (
        lambda: CreditBudget(10, windw="day"),
        "'windw' is not an argument of CreditBudget: did you mean 'window'",
    ),  # type: ignore[call-arg]
    (lambda: CreditBudget(10, agent_limits={"a": "x"}), r"agent_limits\['a'\] must be a number of credits"),
    (lambda: CreditBudget("$5"), "must be a number of credits, 0 or more, not '\\$5': that is 1000 credits"),
    (lambda: CreditBudget("0.5 USD"), "that is 100 credits, at 0.005 US dollars each"),
    (lambda: CreditBudget("five"), "not 'five'$"),
    (lambda: CreditBudget.of_store(), "CreditBudget.of_store needs store="),  # type: ignore[call-arg]
    (lambda: CreditBudget(10).set_limit(), "set_limit needs limit_credits="),  # type: ignore[call-arg]
    (lambda: CreditBudget(10).raise_until(20), "raise_until needs when="),  # type: ignore[call-arg]
    (lambda: CreditBudget(10).run(), "CreditBudget.run needs limit_credits="),  # type: ignore[call-arg]
    (lambda: CreditBudget(10).joined(CreditBudget(5)), "held together are a list"),  # type: ignore[arg-type]
    (lambda: JointBudget(CreditBudget(5)), "held together are a list"),  # type: ignore[arg-type]
    (lambda: JointBudget([]), "no budget at all holds nothing"),
    (
        lambda: CalendarWindow("week", starts="monday"),
        "'starts' is not an argument of CalendarWindow: it takes",
    ),  # type: ignore[call-arg]
    (lambda: RetryPolicy(3), "takes no argument without its name; by name: max_retries="),  # type: ignore[misc]
    (lambda: RetryPolicy(max_retry=3), "did you mean 'max_retries'"),  # type: ignore[call-arg]
    (lambda: RetryPolicy(retry_read_timeouts="yes"), "retry_read_timeouts must be True or False"),  # type: ignore[arg-type]
    (
        lambda: spend_for("acme"),
        "takes no argument without its name; by name: agent=, thread=, user=, customer=",
    ),  # type: ignore[misc]
    (lambda: spend_for(customr="acme"), "did you mean 'customer'"),  # type: ignore[call-arg]
    (lambda: spend_tags(team="search"), "'team' is not an argument of spend_tags"),  # type: ignore[call-arg]
    (lambda: track_spend(5, 5), "takes only tracker without its name"),  # type: ignore[call-arg, arg-type]
    (
        lambda: SpendLedger().spent("today"),
        "takes no argument without its name; by name: since=, until=, tz=",
    ),  # type: ignore[misc]
    (lambda: SpendLedger().sums(), "SpendLedger.sums needs by="),  # type: ignore[call-arg]
    (lambda: SpendLedger().sums(5), "calls cannot be added up by 5"),  # type: ignore[arg-type]
    (lambda: SpendLedger().spent(since=5), "5 is no time: a number is seconds since 1970"),
    (lambda: SpendLedger().spent(since=1e12), "a number is seconds since 1970"),
    (lambda: SpendLedger().spent(since=-5), "a number is seconds since 1970"),
    (lambda: SpendLedger().spent(customer=""), "customer='' selects nothing"),
    (lambda: compare_routes(NATIVE), "needs prompt_tokens=, prefix_tokens=, calls=, output_tokens="),  # type: ignore[call-arg]
    (
        lambda: compare_routes(None, prompt_tokens=1, prefix_tokens=0, calls=1, output_tokens=1),  # type: ignore[arg-type]
        "model must be a model id such as",
    ),
    (lambda: what_if([5], "direct"), "what_if takes rows of CallRecord"),  # type: ignore[list-item]
    (lambda: what_if("ledger.sqlite", "direct"), "what_if takes rows of CallRecord"),  # type: ignore[arg-type]
    (lambda: what_if(SpendLedger(), "direct"), "such as ledger.records.*not a SpendLedger"),  # type: ignore[arg-type]
    (lambda: build_headers("x"), "headers must be a mapping of names to values, not a str"),  # type: ignore[arg-type]
    (lambda: build_payload(NATIVE, BODY["messages"], stream="yes"), "stream must be True or False"),  # type: ignore[arg-type]
    (
        lambda: estimate_credits(BODY, output_tokens=5),
        "'output_tokens' is not an argument of estimate_credits",
    ),  # type: ignore[call-arg]
    (lambda: estimate_input_tokens(5), "an estimate is of a request's body"),  # type: ignore[arg-type]
    (lambda: estimate_text_tokens(None), "tokens are estimated of a text"),  # type: ignore[arg-type]
    (lambda: max_input_tokens(5), "a worst case is of a request's body"),  # type: ignore[arg-type]
    (lambda: parse_body("{}"), "a body is bytes, as they came, not a str"),  # type: ignore[arg-type]
    (lambda: resolve_base_url(5), "base_url must be a URL such as"),  # type: ignore[arg-type]
    (lambda: is_loopback_url(5), "base_url must be a URL such as"),  # type: ignore[arg-type]
    (lambda: MessagesClient(api_key="sk-1", ledger="x.sqlite"), "ledger must be a SpendLedger, such as"),
    (lambda: MessagesClient(api_key="sk-1", ledger=SpendLedger), "ledger must be a SpendLedger, such as"),
    (lambda: MessagesClient(api_key="sk-1", default_headers=5), "headers must be a mapping"),
    (lambda: MessagesClient(api_key="sk-1", http_client=5), "http_client must be an httpx.Client, not a int"),  # type: ignore[arg-type]
    (lambda: MessagesClient(api_key="sk-1", max_retries=5), r"use retry=RetryPolicy\(max_retries="),
    (lambda: CreditsCallbackHandler(5), "CreditsCallbackHandler takes no argument without its name"),  # type: ignore[call-arg]
    (lambda: get_credits_callback(5), "get_credits_callback takes no argument"),  # type: ignore[call-arg]
    (lambda: CreditsEventHandler(tracker=5), "'tracker' is not an argument of CreditsEventHandler"),  # type: ignore[call-arg]
    (lambda: track_credits(5), "track_credits takes no argument"),  # type: ignore[call-arg]
    (lambda: BudgetLandingMiddleware(budget=5), r"the budget is the model's: ChatAIVideoAPI\("),  # type: ignore[call-arg]
    (lambda: AIVideoAPIPromptCachingMiddleware("5m"), "by name: ttl="),  # type: ignore[misc]
    (lambda: Pace(8), "Pace takes no argument without its name; by name: most="),  # type: ignore[misc]
    (lambda: Pace(most=8, url="redis://x"), r"use Pace.shared\("),  # type: ignore[call-arg]
    (
        lambda: RedisJournal("redis://127.0.0.1:1/0", name="x", lease_s=-1),
        "lease_s must be a number of seconds",
    ),
    (lambda: RedisJournal("redis://127.0.0.1:1/0", name="x", lease_s="60"), "lease_s must be a number"),  # type: ignore[arg-type]
    (lambda: RedisJournal("redis://127.0.0.1:1/0"), "RedisJournal needs name="),  # type: ignore[call-arg]
    (lambda: SQLiteJournal(5, name="x"), "path must be that of a file"),  # type: ignore[arg-type]
    (lambda: SQLiteJournal("redis://x", name="x"), "path must be that of a file"),
    (lambda: SQLiteJournal("x.sqlite", name="x", lease_s=5), "a file has no lease"),  # type: ignore[call-arg]
]


def test_a_budget_is_no_block() -> None:
    with pytest.raises(InvalidInputError, match=r"with use_budget\(budget\)"), CreditBudget(10):
        pass


@pytest.mark.parametrize(("use", "said"), ARGUMENTS, ids=[said for _, said in ARGUMENTS])
def test_who_pays_is_told(use: Use, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        use()


CATALOGUE: list[Use] = [
    lambda: model_info(None),  # type: ignore[arg-type]
    lambda: prices_of(5),  # type: ignore[arg-type]
    lambda: route_of(None),  # type: ignore[arg-type]
    lambda: base_model(b"claude-sonnet-4-6"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("use", CATALOGUE, ids=["info", "prices", "route", "base"])
def test_no_id_is_no_unknown_model(use: Use) -> None:
    with pytest.raises(ValueError, match="model must be a model id such as 'claude-sonnet-4-6', not"):
        use()


def test_a_cost_is_of_tokens() -> None:
    with pytest.raises(ValueError, match="a cost is of TokenCounts at ModelPrices"):
        cost_of({"input_tokens": 5}, prices_of(NATIVE))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"concurency": 8}, "did you mean 'concurrency'"),
        (
            {"budget": CreditBudget(10)},
            r"set it on the model of the call, such as ChatAIVideoAPI\(\.\.\., budget=",
        ),
        ({"retry": 5}, "retry must name some of"),
        ({"rows": []}, r"give the rows to run\(rows\)"),
        ({"journal": "http://x"}, "journal is a URL, and not one of a Redis"),
    ],
    ids=str,
)
def test_a_job_says_where_an_argument_belongs(
    chat: ChatAIVideoAPI, tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    settings: dict[str, Any] = {"name": "reviews", "journal": tmp_path / "reviews.sqlite", **wrong}
    with pytest.raises(InvalidInputError, match=said):
        BatchJob(prompt_call(chat, "Say {text}"), **settings)


def test_a_run_of_a_job_has_rows_alone(chat: ChatAIVideoAPI, tmp_path: Path) -> None:
    job = BatchJob(prompt_call(chat, "Say {text}"), name="x", journal=tmp_path / "x.sqlite")
    run: Any = job.run
    with pytest.raises(
        InvalidInputError, match=r"'concurrency' is not an argument of BatchJob.run: give it to BatchJob"
    ):
        run([{"id": "1", "text": "a"}], concurrency=2)
    with pytest.raises(InvalidInputError, match=r"BatchJob\.run needs rows="):
        run()
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(InvalidInputError, match="is a file: name a folder for the journal"):
        BatchJob(prompt_call(chat, "Say {text}"), name="x", journal=tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("target", "format", "said"),
    [
        ("", None, "is a folder: name a file in it"),
        ("no/spend.csv", None, "there is no folder"),
        (io.BytesIO(), "csv", "opened with 'w'"),
        (io.StringIO(), "parquet", "opened with 'wb'"),
    ],
    ids=["folder", "missing", "bytes", "text"],
)
def test_an_export_needs_a_place(tmp_path: Path, target: Any, format: str | None, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        SpendLedger().export(tmp_path / target if isinstance(target, str) else target, format=format)


async def test_a_balance_is_asked_of_the_right_colour(sandbox: Sandbox) -> None:
    settings: Any = {"api_key": sandbox.api_key, "base_url": sandbox.url}
    async with AsyncMessagesClient(**settings) as client:
        with pytest.raises(InvalidInputError, match=r"await CreditBudget.afrom_balance\(client\)"):
            CreditBudget.from_balance(client)  # type: ignore[arg-type]
    with (
        MessagesClient(**settings) as client,
        pytest.raises(InvalidInputError, match="'shr' is not an argument of CreditBudget: it takes"),
    ):
        CreditBudget.from_balance(client, shr=0.5)
    assert not sandbox.requests
    with MessagesClient(**settings) as client, pytest.raises(InvalidInputError, match="is not waited for"):
        await CreditBudget.afrom_balance(client)  # type: ignore[arg-type]


async def test_a_stream_is_opened_by_its_block(sandbox: Sandbox) -> None:
    settings: Any = {"api_key": sandbox.api_key, "base_url": sandbox.url}
    with (
        MessagesClient(**settings) as client,
        pytest.raises(InvalidInputError, match="opened by its block: with"),
    ):
        list(client.stream(BODY))
    async with AsyncMessagesClient(**settings) as client:
        with pytest.raises(InvalidInputError, match="opened by its block: async with"):
            async for _ in client.stream(BODY):
                pass
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"extra_headers": {"a": "b"}}, "'extra_headers' is not an argument of a call: use headers="),
        ({"ledger": "spend.sqlite"}, "set it when the client is made"),
        ({"tag": ["a"]}, "did you mean 'tags'"),
        ({"max_tokens": 5}, "What is sent belongs in the payload"),
        ({"headers": "x"}, "headers must be a mapping"),
    ],
    ids=str,
)
def test_a_call_of_a_client_says_where_an_argument_belongs(
    sandbox: Sandbox, wrong: dict[str, Any], said: str
) -> None:
    with (
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client,
        pytest.raises(InvalidInputError, match=said),
    ):
        client.create(BODY, **wrong)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("web_serch_20250305", "web_search_20260318"),
        ("web_search", "web_search_20260318"),
        ("text_editer_20250728", "text_editor_20250728"),
        ("mcp_tolset", "mcp_toolset"),
        ("web_search_20270101", None),
        ("mcp_toolset", None),
        ("dream_20270101", None),
    ],
)
def test_a_servers_tool_is_sent_and_a_typo_is_told_once(
    kind: str, meant: str | None, chat: ChatAIVideoAPI, llm: AIVideoAPI, caplog: pytest.LogCaptureFixture
) -> None:
    wire = {"type": kind, "name": f"{kind}_tool"}
    message: Any = [ChatMessage("Hello")]
    for call in (
        lambda: chat.estimate_credits("Hello", tools=[wire]),
        lambda: llm.estimate_credits(message, tools=[{**wire, "name": "b"}]),
        lambda: build_payload(DIRECT, BODY["messages"], stream=False, tools=[wire]),
    ):
        _TOLD_OF.clear()  # as in a process of its own
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="aivideoapi"):
            call()
            call()
        said = [record.getMessage() for record in caplog.records]
        assert said == (
            [] if meant is None else [f"no tool of type {kind!r} is known; did you mean {meant!r}?"]
        )


def test_what_was_written_so_long_ago(tmp_path: Path) -> None:
    ledger = SpendLedger(tmp_path / "ledger.sqlite")
    ledger.append(CallRecord(model=NATIVE, started_at=time.time(), credits_micro=1_000))
    assert ledger.spent(since=timedelta(hours=1)).calls == 1
    assert ledger.spent(until=timedelta(hours=1)).calls == 0
    assert ledger.spent(since=0).calls == 1
    ledger.close()


def test_numbers_and_choices_are_answers_too(chat: ChatAIVideoAPI, llm: AIVideoAPI) -> None:
    number: Any = chat.with_structured_output(int).invoke("Four")
    colour: Any = chat.with_structured_output(Colour, method="json_schema").invoke("Red")
    theirs: Any = llm.structured_predict(Colour, PromptTemplate("Red"))  # type: ignore[type-var]
    assert type(number) is int
    assert isinstance(colour, Colour)
    assert isinstance(theirs, Colour)


@pytest.mark.parametrize("make", [ChatAIVideoAPI, AIVideoAPI])
def test_a_setting_that_is_changed_later_is_looked_at(make: Any) -> None:
    model = make(model=NATIVE, api_key="sk-1")
    for name, value, said in (
        ("max_token", 5, "did you mean 'max_tokens'"),
        ("max_tokens", "x", "max_tokens must be a whole number"),
        ("timeout", -1, "timeout must be a positive number"),
        ("model", "two words", "model must be a model id such as"),
    ):
        with pytest.raises(AIVideoAPIError, match=said):
            setattr(model, name, value)
    model.max_tokens = 7
    assert model.max_tokens == 7


def test_a_field_of_the_body_that_is_nearly_an_argument_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="'max_token' in model_kwargs goes into the request as it is"):
        ChatAIVideoAPI(model=NATIVE, api_key="sk-1", model_kwargs={"max_token": 5})
    with pytest.warns(UserWarning, match="did you mean 'temperature'"):
        AIVideoAPI(api_key="sk-1", additional_kwargs={"temperture": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ChatAIVideoAPI(model=NATIVE, api_key="sk-1", model_kwargs={"field_of_tomorrow": 5, "top_p": 0.5})


async def test_a_batch_is_a_list(chat: ChatAIVideoAPI, sandbox: Sandbox) -> None:
    wrong: Any = "Hello"
    with pytest.raises(InvalidInputError, match="batch takes a list of inputs"):
        chat.batch(wrong)
    with pytest.raises(InvalidInputError, match="batch takes a list of inputs"):
        await chat.abatch(wrong)
    assert not sandbox.requests
    assert len(chat.batch(["Hello"])) == 1


def test_a_ledger_is_closed_by_its_block(tmp_path: Path) -> None:
    with SpendLedger(tmp_path / "ledger.sqlite") as ledger:
        ledger.append(CallRecord(model=NATIVE, credits_micro=1_000))
    assert ledger.spent().calls == 1  # a later call opens it again
    ledger.close()


def test_the_clients_reply_is_no_script(sandbox: Sandbox) -> None:
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        reply: Any = client.create(BODY)
    with pytest.raises(
        TypeError, match=r"of aivideoapi_core\.sandbox, not aivideoapi_core\._inbound\.reply\.Reply"
    ):
        sandbox.enqueue(reply)


@pytest.mark.parametrize("key", ["sk-ant-api03-canary", "sk-or-v1-canary", "sk-proj-canary"])
@pytest.mark.parametrize("make", [ChatAIVideoAPI, AIVideoAPI, MessagesClient, AsyncMessagesClient])
def test_a_key_of_another_provider_stays_here(
    make: Any, key: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIVIDEOAPI_BASE_URL", raising=False)
    settings: dict[str, Any] = {} if make in (MessagesClient, AsyncMessagesClient) else {"model": NATIVE}
    with pytest.raises(InvalidInputError, match=r"is one of (Anthropic|OpenRouter|OpenAI)'s") as told:
        make(api_key=key, **settings)
    assert "canary" not in str(told.value)
    make(api_key=key, base_url=sandbox.url, **settings)  # another host may take it
