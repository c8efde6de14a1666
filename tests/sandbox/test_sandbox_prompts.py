"""Prompts of LlamaIndex's own pieces, taken from the installed package, get answers their parsers take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_index.core.agent.react.formatter import ReActChatFormatter
from llama_index.core.agent.react.output_parser import ReActOutputParser
from llama_index.core.evaluation.faithfulness import DEFAULT_EVAL_TEMPLATE
from llama_index.core.indices.utils import default_parse_choice_select_answer_fn
from llama_index.core.llms import ChatMessage
from llama_index.core.output_parsers.selection import SelectionOutputParser
from llama_index.core.prompts import default_prompts
from llama_index.core.query_engine.citation_query_engine import CITATION_QA_TEMPLATE
from llama_index.core.question_gen.output_parser import SubQuestionOutputParser
from llama_index.core.question_gen.prompts import DEFAULT_SUB_QUESTION_PROMPT_TMPL, build_tools_text
from llama_index.core.selectors.prompts import DEFAULT_SINGLE_SELECT_PROMPT_TMPL
from llama_index.core.tools import FunctionTool, ToolMetadata

from aivideoapi_core.sandbox._answers.rules import rule_made_reply


def said(prompt: str, **more: Any) -> str:
    reply = rule_made_reply({"messages": [{"role": "user", "content": prompt}], **more})
    return "".join(block["text"] for block in reply.content or ())


def test_citations_by_number() -> None:
    sources = "Source 1:\nThe sun is a star.\n\nSource 2:\nWater boils at 100 degrees Celsius.\n"
    answer = said(CITATION_QA_TEMPLATE.format(context_str=sources, query_str="When does water boil?"))
    assert answer == "Water boils at 100 degrees Celsius [2]."


def test_choice_select() -> None:
    documents = "Document 1:\nThe sun is a star.\n\nDocument 2:\nWater boils at 100 degrees.\n"
    prompt = default_prompts.DEFAULT_CHOICE_SELECT_PROMPT.format(
        context_str=documents, query_str="When does water boil?"
    )
    assert default_parse_choice_select_answer_fn(said(prompt), 2) == ([2], [10.0])


def test_single_selector() -> None:
    prompt = DEFAULT_SINGLE_SELECT_PROMPT_TMPL.format(
        num_choices=2,
        context_list="(1) About the weather\n\n(2) About stock prices",
        query_str="Which stock is up?",
    )
    parser = SelectionOutputParser()
    (answer,) = parser.parse(said(parser.format(prompt))).parsed_output
    assert answer.choice == 2


@pytest.mark.parametrize(
    ("claim", "answer"), [("Water boils at 100 degrees", "YES"), ("Elephants fly", "NO")]
)
def test_yes_or_no(claim: str, answer: str) -> None:
    assert (
        said(DEFAULT_EVAL_TEMPLATE.format(query_str=claim, context_str="Water boils at 100 degrees."))
        == answer
    )


def test_sub_questions() -> None:
    tools = [ToolMetadata(name="a", description="about A"), ToolMetadata(name="b", description="about B")]
    prompt = DEFAULT_SUB_QUESTION_PROMPT_TMPL.replace("{tools_str}", build_tools_text(tools))
    parsed = SubQuestionOutputParser().parse(said(prompt.replace("{query_str}", "Compare A and B")))
    assert [item.tool_name for item in parsed.parsed_output] == ["a", "b"]


def test_keywords_and_summary() -> None:
    prompt = default_prompts.DEFAULT_KEYWORD_EXTRACT_TEMPLATE.format(
        max_keywords=2, text="Credits pay for tokens."
    )
    assert said(prompt) == "KEYWORDS: credits, pay"
    summary = said(
        default_prompts.DEFAULT_SUMMARY_PROMPT.format(context_str="Credits pay for tokens. They are cheap.")
    )
    assert summary == "Credits pay for tokens. They are cheap."


def test_react_agents() -> None:
    def multiply(a: int, b: int) -> int:
        """Multiply two integers."""
        return a * b

    formatted = ReActChatFormatter().format(
        [FunctionTool.from_defaults(multiply)], [ChatMessage(role="user", content="What is 12 times 7?")], []
    )
    system, messages = formatted[0].content, [{"role": "user", "content": formatted[1].content}]
    first = "".join(
        block["text"] for block in rule_made_reply({"system": system, "messages": messages}).content or ()
    )
    step: Any = ReActOutputParser().parse(first)
    assert (step.action, step.action_input) == ("multiply", {"a": 12, "b": 7})
    messages += [{"role": "assistant", "content": first}, {"role": "user", "content": "Observation: 84"}]
    last = "".join(
        block["text"] for block in rule_made_reply({"system": system, "messages": messages}).content or ()
    )
    final: Any = ReActOutputParser().parse(last)
    assert (final.is_done, final.response) == (True, "84")


def test_a_schema_in_the_prompt() -> None:
    schema = {"properties": {"name": {"type": "string"}}, "required": ["name"], "type": "object"}
    answer = said(
        f"Tell about Jane Roe.\n\nHere's a JSON schema to follow:\n{json.dumps(schema)}\n\nOutput JSON only."
    )
    assert json.loads(answer) == {"name": "Jane Roe"}
