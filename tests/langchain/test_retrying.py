"""What ``with_retry()`` repeats: nothing that cannot succeed, whatever was made of the model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.load import dumps
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnableSequence
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from pydantic import BaseModel

from aivideoapi_core import InsufficientCreditsError, RateLimitError, SpendLimitError, UpstreamError
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI, is_worth_retrying

NATIVE = "claude-sonnet-4-6"


class Person(BaseModel):
    """A person."""

    name: str


def look(at: str) -> str:
    """Look at something."""
    return at


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed="same", validate=False) as running:
        yield running


@pytest.fixture
def model(sandbox: Sandbox) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)


MADE: dict[str, Callable[[ChatAIVideoAPI], Any]] = {
    "the model": lambda model: model,
    "bind": lambda model: model.bind(temperature=0.5),
    "bind_tools": lambda model: model.bind_tools([look]),
    "with_config": lambda model: model.with_config(tags=["a"]),
    "bind, with_config": lambda model: model.bind(temperature=0.5).with_config(tags=["a"]),
    "structured output": lambda model: model.with_structured_output(Person),
    "by schema": lambda model: model.with_structured_output(Person, method="json_schema"),
    "with raw": lambda model: model.with_structured_output(Person, include_raw=True),
    "thinking": lambda model: model.with_structured_output(Person, thinking=True),
    "structured, with_config": lambda model: model.with_structured_output(Person).with_config(tags=["a"]),
    "structured, then": lambda model: model.with_structured_output(Person) | RunnableLambda(lambda it: it),
    "after a chain": lambda model: (RunnableLambda(str) | str) | model.with_structured_output(Person),
    "configurable": lambda model: model.configurable_fields(temperature=ConfigurableField("t")),
    "alternatives": lambda model: model.configurable_alternatives(ConfigurableField("m"), other=model),
    "structured, fallbacks": lambda model: model.with_structured_output(Person).with_fallbacks([]),
    "fallbacks": lambda model: model.with_fallbacks([]),
}


@pytest.mark.filterwarnings("ignore:Thinking is on")
@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
@pytest.mark.parametrize(
    ("code", "error"),
    [("insufficient_credits", InsufficientCreditsError), ("spend_limit_exceeded", SpendLimitError)],
)
def test_what_waiting_does_not_help_is_asked_for_once(
    sandbox: Sandbox, model: ChatAIVideoAPI, made: Any, code: str, error: type[Exception]
) -> None:
    sandbox.enqueue(*(Fault.error(code) for _ in range(4)))
    with pytest.raises(error):
        made(model).with_retry(wait_exponential_jitter=False).invoke("Hello")
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
@pytest.mark.filterwarnings("ignore:Thinking is on")
async def test_what_may_pass_is_asked_for_again(sandbox: Sandbox, model: ChatAIVideoAPI, made: Any) -> None:
    sandbox.enqueue(*(Fault.error("upstream_error") for _ in range(4)))
    with pytest.raises(UpstreamError):
        await made(model).with_retry(wait_exponential_jitter=False).ainvoke("Hello")
    assert len(sandbox.requests) == 3


def test_an_answer_that_cannot_be_parsed_is_asked_for_again(sandbox: Sandbox, model: ChatAIVideoAPI) -> None:
    """As LangChain's default has it: another answer may be better."""
    sandbox.enqueue(Reply("no JSON"), Reply(tool_uses=[{"name": "Person", "input": {"name": "Ann"}}]))
    structured = model.with_structured_output(Person, method="json_schema")
    assert structured.with_retry(wait_exponential_jitter=False).invoke("Hello") == Person(name="Ann")


def test_a_chain_can_have_the_same_rule(sandbox: Sandbox, model: ChatAIVideoAPI) -> None:
    chain = ChatPromptTemplate.from_messages([("user", "{it}")]) | model | StrOutputParser()
    sandbox.enqueue(*(Fault.error("insufficient_credits") for _ in range(4)))
    with pytest.raises(InsufficientCreditsError):
        chain.with_retry(retry_if_exception_type=is_worth_retrying).invoke({"it": "Hello"})
    assert len(sandbox.requests) == 1


def test_the_rule() -> None:
    assert is_worth_retrying(RateLimitError("slow down", status_code=429))
    assert not is_worth_retrying(InsufficientCreditsError("empty", status_code=402))
    assert is_worth_retrying(OutputParserException("no JSON"))
    assert is_worth_retrying(ConnectionError())
    assert not is_worth_retrying(KeyboardInterrupt())


def test_the_callers_own_rule_stands(sandbox: Sandbox, model: ChatAIVideoAPI) -> None:
    sandbox.enqueue(*(Fault.error("insufficient_credits") for _ in range(4)))
    retrying = model.with_structured_output(Person).with_retry(
        retry_if_exception_type=(InsufficientCreditsError,),
        stop_after_attempt=2,
        wait_exponential_jitter=False,
    )
    with pytest.raises(InsufficientCreditsError):
        retrying.invoke("Hello")
    assert len(sandbox.requests) == 2


def test_everything_else_is_as_langchain_has_it(sandbox: Sandbox, model: ChatAIVideoAPI) -> None:
    structured = model.with_structured_output(Person)
    assert isinstance(structured, RunnableSequence)
    assert dumps(structured) == dumps(RunnableSequence(*structured.steps))
    runs = RunCollectorCallbackHandler()
    sandbox.enqueue(Reply(tool_uses=[{"name": "Person", "input": {"name": "Ann"}}]))
    assert structured.invoke("Hello", {"callbacks": [runs]}) == Person(name="Ann")
    assert runs.traced_runs[0].name == "RunnableSequence"
    sandbox.enqueue(Reply(tool_uses=[{"name": "Person", "input": {"name": "Ann"}}]))
    assert list(copy.deepcopy(structured).stream("Hello"))[-1] == Person(name="Ann")


def test_what_is_configurable_stays_so(sandbox: Sandbox, model: ChatAIVideoAPI) -> None:
    hot = model.configurable_fields(temperature=ConfigurableField("t")).with_config(configurable={"t": 0.75})
    hot.with_retry().invoke("Hello")
    other = model.configurable_alternatives(
        ConfigurableField("m"), other=model.model_copy(update={"temperature": 0.25})
    )
    other.with_retry().with_config(configurable={"m": "other"}).invoke("Hello")
    assert [request.body["temperature"] for request in sandbox.requests] == [0.75, 0.25]
    safe: Any = model.with_fallbacks([model])
    safe.bind_tools([look]).with_retry().invoke("Hello")
    assert sandbox.requests[-1].body["tools"][0]["name"] == "look"
