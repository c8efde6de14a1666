"""Rule-made replies: the right tools with the right arguments, answers that are in the passages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivideoapi_core.sandbox._answers.facts import facts_of
from aivideoapi_core.sandbox._answers.fill import Filler
from aivideoapi_core.sandbox._answers.rules import rule_made_reply

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
PASSAGES = """file_path: docs/credits.md

Credits are the unit of billing. One credit is worth 0.005 USD. Sonnet costs 300 credits per million tokens.

file_path: docs/errors.md

The platform answers 402 when the balance is too low. Retry-After tells how long to wait after 429."""


def tool(name: str, description: str, required: int | None = None, /, **properties: Any) -> dict[str, Any]:
    needed = list(properties)[:required] if required is not None else list(properties)
    schema = {"type": "object", "properties": properties, "required": needed}
    return {"name": name, "description": description, "input_schema": schema}


ADD = tool("add", "Add two numbers.", a=INTEGER, b=INTEGER)
MULTIPLY = tool("multiply", "Multiply two integers and return the result.", a=INTEGER, b=INTEGER)
WEATHER = tool("get_weather", "Get the current weather in a given location.", location=STRING)
SEARCH = tool("search", "Search the web for a query.", query=STRING)
MAGIC = tool("magic_function", "Apply a magic function to an input.", input=INTEGER)
PRICE = tool("get_price", "Get the price of a product in the shop.", product=STRING)
CONVERT = tool(
    "convert_currency",
    "Convert an amount between currencies.",
    amount=NUMBER,
    from_currency=STRING,
    to_currency=STRING,
)
TEMPERATURE = tool(
    "get_temp", "Get temperature", 1, city=STRING, unit={"type": "string", "enum": ["celsius", "fahrenheit"]}
)
PERSON = tool(
    "Person", "A person.", name=STRING, age=INTEGER, city=STRING, hobbies={"type": "array", "items": STRING}
)
CUSTOMER = tool(
    "unicode_customer",
    "Tool for creating a customer with Unicode name.",
    customer_name=STRING,
    description=STRING,
)
STOCK = tool("stock_price", "Latest stock price by ticker symbol", ticker=STRING)
EMAIL = tool("send_email", "Send an email to a recipient.", to=STRING, subject=STRING)
CALCULATOR = tool("calculator", "Evaluate a math expression.", expression=STRING)
NOTHING = tool("magic_function_no_args", "Calculate a magic function.")


def uses(question: str, *tools: Any, **more: Any) -> list[tuple[str, Any]]:
    reply = rule_made_reply(
        {"messages": [{"role": "user", "content": question}], "tools": list(tools), **more}
    )
    return [(str(item["name"]), item["input"]) for item in reply.tool_uses]


def said(question: Any, **more: Any) -> str:
    messages = question if isinstance(question, list) else [{"role": "user", "content": question}]
    reply = rule_made_reply({"messages": messages, **more})
    return reply.text or "".join(block.get("text", "") for block in reply.content or ())


@pytest.mark.parametrize(
    ("question", "tools", "expected"),
    [
        ("What is the value of magic_function(3)? Use the tool.", [MAGIC, WEATHER], [("magic_function", {"input": 3})]),
        ("What is the value of magic_function_no_args()? Use the tool.", [NOTHING], [("magic_function_no_args", {})]),
        ("What is the weather in San Francisco, CA?", [WEATHER, SEARCH], [("get_weather", {"location": "San Francisco, CA"})]),
        ("what is the weather in sf", [WEATHER], [("get_weather", {"location": "sf"})]),
        ("What's the weather in Paris and London?", [WEATHER], [("get_weather", {"location": "Paris"}), ("get_weather", {"location": "London"})]),
        ("What is 3 + 4?", [ADD, MULTIPLY], [("add", {"a": 3, "b": 4})]),
        ("What is 12 times 7?", [ADD, MULTIPLY], [("multiply", {"a": 12, "b": 7})]),
        ("What is 3 * 12? Also, what is 11 + 49?", [ADD, MULTIPLY], [("multiply", {"a": 3, "b": 12}), ("add", {"a": 11, "b": 49})]),
        ("What is (3+4)*2?", [CALCULATOR, SEARCH], [("calculator", {"expression": "(3+4)*2"})]),
        ("Convert 100 USD to EUR", [CONVERT, WEATHER], [("convert_currency", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"})]),
        ("What is the temperature in Berlin in fahrenheit?", [TEMPERATURE], [("get_temp", {"city": "Berlin", "unit": "fahrenheit"})]),
        ("How warm is it in Oslo?", [TEMPERATURE, SEARCH], [("get_temp", {"city": "Oslo"})]),
        ("What does the coffee mug cost, and what is the weather in Rome?", [PRICE, WEATHER], [("get_price", {"product": "coffee mug"}), ("get_weather", {"location": "Rome"})]),
        ("Look up the weather in Tokyo and the stock price of MSFT.", [WEATHER, STOCK], [("get_weather", {"location": "Tokyo"}), ("stock_price", {"ticker": "MSFT"})]),
        ("Search for the capital of France", [SEARCH, ADD], [("search", {"query": "the capital of France"})]),
        ("How many people live in Tokyo?", [SEARCH, ADD], [("search", {"query": "How many people live in Tokyo"})]),
        ("Send an email to bob@example.com with subject \"Lunch\"", [EMAIL, SEARCH], [("send_email", {"to": "bob@example.com", "subject": "Lunch"})]),
        ("Hello!", [MAGIC, WEATHER], []),
        ("Who are you?", [WEATHER, ADD], []),
        ("Thank you, that was all.", [WEATHER, ADD, SEARCH], []),
    ],
)  # fmt: skip
def test_tools_are_called_with_arguments_from_the_question(question: str, tools: Any, expected: Any) -> None:
    assert uses(question, *tools) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Hello!", "magic_function"),
        ("What is the weather in Rome?", "get_weather"),
    ],
)
def test_forced_choice_always_calls(question: str, expected: str) -> None:
    assert uses(question, MAGIC, WEATHER, tool_choice={"type": "any"})[0][0] == expected
    forced = uses(question, MAGIC, WEATHER, tool_choice={"type": "tool", "name": "magic_function"})
    assert [name for name, _ in forced] == ["magic_function"]
    assert uses(question, MAGIC, WEATHER, tool_choice={"type": "none"}) == []


def test_one_call_at_a_time_where_parallel_use_is_off() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert len(uses("What's the weather in Paris and London?", WEATHER, tool_choice=choice)) == 1


@pytest.mark.parametrize("name", ["你好啊集团", "こんにちは株式会社"])
def test_unicode_names_survive(name: str) -> None:
    ((_, arguments),) = uses(f"Create a customer named '{name}' (Hello) - a company", CUSTOMER)
    assert arguments["customer_name"] == name


def test_extraction() -> None:
    ((_, person),) = uses(
        "John Doe is 30 years old, lives in Berlin and likes chess and hiking.",
        PERSON,
        tool_choice={"type": "any"},
    )
    assert person == {"name": "John Doe", "age": 30, "city": "Berlin", "hobbies": ["chess", "hiking"]}


def run_loop(question: str, tools: Any, run: Any, **more: Any) -> tuple[list[str], str]:
    """Play the agent until it answers; fails if it does not end."""
    messages: list[Any] = [{"role": "user", "content": question}]
    called: list[str] = []
    for turn in range(8):
        reply = rule_made_reply({"messages": messages, "tools": tools, **more})
        if not reply.tool_uses:
            return called, said(messages, tools=tools)
        blocks, results = [], []
        for number, item in enumerate(reply.tool_uses):
            identity = f"t{turn}_{number}"
            blocks.append({"type": "tool_use", "id": identity, **item})
            results.append(
                {
                    "type": "tool_result",
                    "tool_use_id": identity,
                    "content": str(run(item["name"], item["input"])),
                }
            )
            called.append(f"{item['name']}{sorted(item['input'].items())}")
        messages += [{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
    raise AssertionError(f"went on for ever: {called}")


def test_a_chain_uses_the_result_of_the_first_call() -> None:
    def run(name: str, given: Any) -> int:
        return given["a"] * given["b"] if name == "multiply" else given["a"] + given["b"]

    called, answer = run_loop("Multiply 3 by 4 and then add 5 to the result", [ADD, MULTIPLY], run)
    assert [name.partition("[")[0] for name in called] == ["multiply", "add"]
    assert "17" in answer
    called, answer = run_loop("Add 3 and 4, then multiply the result by 10", [ADD, MULTIPLY], run)
    assert [name.partition("[")[0] for name in called] == ["add", "multiply"]
    assert "70" in answer


@pytest.mark.parametrize("result", ["sunny", "", "Error: unknown", '{"sky": "clear", "wind": 3}', "晴れ"])
def test_loops_end_whatever_the_tools_say(result: str) -> None:
    question = "What's the weather in Paris and London, and what does a mug cost?"
    called, answer = run_loop(question, [WEATHER, PRICE, SEARCH], lambda *_: result)
    assert len(called) == 3
    assert answer


def test_a_failed_tool_is_told_and_not_tried_again() -> None:
    messages = [
        {"role": "user", "content": "What is 1 + 2?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "add", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "b is missing", "is_error": True}]},
    ]  # fmt: skip
    assert "b is missing" in said(messages, tools=[ADD])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much is one credit worth in USD?", "One credit is worth 0.005 USD."),
        ("What does the platform answer when the balance is low?", "The platform answers 402 when the balance is too low."),
        ("What tells how long to wait?", "Retry-After tells how long to wait after 429."),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "prompt",
    [
        "Context information is below.\n---------------------\n{c}\n---------------------\nGiven the context information and not prior knowledge, answer the query.\nQuery: {q}\nAnswer: ",
        "Use the following pieces of retrieved context to answer the question.\nQuestion: {q} \nContext: {c} \nAnswer:",
        "<documents><document>{c}</document></documents>\n\n{q}",
        "The original query is as follows: {q}\nWe have provided an existing answer: nothing yet\nWe have the opportunity to refine it.\n------------\n{c}\n------------\nRefined Answer: ",
    ],
)
def test_answers_are_the_sentences_that_fit(prompt: str, question: str, expected: str) -> None:
    assert said(prompt.replace("{c}", PASSAGES).replace("{q}", question)) == expected


def test_context_in_the_system_prompt_and_in_documents() -> None:
    system = f"Use the context information below to assist the user.\n--------------------\n{PASSAGES}\n--------------------\n"
    assert said("How much is one credit worth?", system=system) == "One credit is worth 0.005 USD."
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": PASSAGES}}
    blocks = [document, {"type": "text", "text": "How much is one credit worth?"}]
    assert said([{"role": "user", "content": blocks}]) == "One credit is worth 0.005 USD."


def test_citations_point_at_the_cited_text() -> None:
    data = "The grass is green. 空は青い。 The sky is blue today."
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": data},
        "title": "Colours",
        "citations": {"enabled": True},
    }
    reply = rule_made_reply(
        {
            "messages": [
                {"role": "user", "content": [document, {"type": "text", "text": "What colour is the sky?"}]}
            ]
        }
    )
    ((block),) = [block for block in reply.content or () if block.get("citations")]
    (citation,) = block["citations"]
    assert citation["type"] == "char_location"
    assert (
        data[citation["start_char_index"] : citation["end_char_index"]]
        == citation["cited_text"]
        == "The sky is blue today."
    )
    assert (citation["document_index"], citation["document_title"]) == (0, "Colours")


def test_a_document_in_blocks_is_cited_by_block() -> None:
    parts = [{"type": "text", "text": text} for text in ("The grass is green.", "The sky is blue today.")]
    document = {
        "type": "document",
        "source": {"type": "content", "content": parts},
        "citations": {"enabled": True},
    }
    asked = {"role": "user", "content": [document, {"type": "text", "text": "What colour is the sky?"}]}
    (block,) = rule_made_reply({"messages": [asked]}).content or ()
    assert block["citations"] == [
        {
            "type": "content_block_location",
            "cited_text": "The sky is blue today.",
            "document_index": 0,
            "document_title": None,
            "start_block_index": 1,
            "end_block_index": 2,
            "file_id": None,
        }
    ]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Say exactly: pong", "pong"),
        ("Count from 2 to 5", "2, 3, 4, 5"),
        ("What is 17 * 23?", "17 * 23 = 391"),
        ("What is 2 ** 99999999?", ""),
        ("What is 1/0?", ""),
    ],
)
def test_small_talk(question: str, expected: str) -> None:
    answer = said(question)
    assert expected in answer
    if not expected:
        assert "sandbox" in answer


def test_it_says_what_it_is_and_what_it_cannot_see() -> None:
    assert "sandbox" in said("Hello")
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    assert "cannot see" in said(
        [{"role": "user", "content": [image, {"type": "text", "text": "Describe it"}]}]
    )


def test_it_remembers_the_conversation() -> None:
    messages = [
        {"role": "user", "content": "Hi, my name is Bob."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "What is my name?"},
    ]
    assert "Bob" in said(messages)


def test_structured_output_is_filled_from_the_text() -> None:
    schema = {
        "type": "object",
        "properties": {"name": STRING, "age": INTEGER, "city": {"$ref": "#/$defs/City"}},
        "required": ["name", "age", "city"],
        "additionalProperties": False,
        "$defs": {"City": {"type": "object", "properties": {"city": STRING}, "required": ["city"]}},
    }
    config = {"format": {"type": "json_schema", "schema": schema}}
    assert json.loads(said("Extract: Jane Roe, 41, lives in Paris", output_config=config)) == {
        "name": "Jane Roe",
        "age": 41,
        "city": {"city": "Paris"},
    }
    keys = said("Tell me a joke about cats. Return a JSON with `setup` and `punchline` keys.")
    assert set(json.loads(keys)) == {"setup", "punchline"}


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    leaves = st.one_of(
        st.just({"type": "string"}),
        st.builds(lambda n: {"type": "string", "minLength": n, "maxLength": n + 3}, st.integers(0, 9)),
        st.builds(lambda n: {"type": "integer", "minimum": n, "maximum": n + 2}, st.integers(-5, 50)),
        st.builds(lambda n: {"type": "number", "exclusiveMinimum": n}, st.integers(-5, 50)),
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.just({"enum": ["red", 3, None]}),
        st.just({"const": {"a": 1}}),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(
                lambda item, n: {"type": "array", "items": item, "minItems": n}, inner, st.integers(0, 3)
            ),
            st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(
                lambda children: {"type": "object", "properties": children, "required": list(children)},
                st.dictionaries(st.sampled_from(["name", "city", "count", "tags", "to"]), inner, max_size=3),
            ),
        ),
        max_leaves=6,
    )


def valid(value: Any, schema: dict[str, Any]) -> bool:
    """A small independent validator for the keywords used above."""
    if "anyOf" in schema:
        return any(valid(value, branch) for branch in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    match schema["type"]:
        case "string":
            low, high = schema.get("minLength", 0), schema.get("maxLength", 10**6)
            return isinstance(value, str) and low <= len(value) <= high
        case "integer":
            return type(value) is int and schema["minimum"] <= value <= schema["maximum"]
        case "number":
            return isinstance(value, int | float) and value > schema["exclusiveMinimum"]
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "array":
            return (
                isinstance(value, list)
                and len(value) >= schema["minItems"]
                and all(valid(item, schema["items"]) for item in value)
            )
        case _:
            return isinstance(value, dict) and all(
                name in value and valid(value[name], child) for name, child in schema["properties"].items()
            )


@settings(max_examples=150, deadline=None)
@given(
    schemas(),
    st.sampled_from(["", "Paris, 3 and 'red' things for Bob", "12 7.5 -3 tags: a, b and c", "全部で42個"]),
)
def test_what_is_filled_validates(schema: dict[str, Any], text: str) -> None:
    assert valid(Filler(facts_of(text), schema).fill(schema, "value"), schema)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.booleans())
def test_any_text_gets_a_reply(text: str, thinks: bool) -> None:
    body: Any = {"messages": [{"role": "user", "content": text}], "tools": [ADD, WEATHER, SEARCH]}
    reply = rule_made_reply({**body, "thinkingFlag": thinks})
    assert (reply.thinking is not None) == thinks
    assert reply == rule_made_reply({**body, "thinkingFlag": thinks})
