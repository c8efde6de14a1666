"""A LangChain model or runnable as a job's call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import BaseOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableBinding, RunnableGenerator, RunnableSequence
from pydantic import BaseModel

from aivideoapi_batch._calls import Row
from aivideoapi_batch._models import OfModels, facts_of, models_in
from aivideoapi_batch._rows import BadRowError, check_text
from aivideoapi_batch._template import filled
from aivideoapi_core import InvalidInputError

if TYPE_CHECKING:
    from aivideoapi_core import CreditsEstimate

_AROUND_A_MODEL: Final = (dict, BaseChatModel, BasePromptTemplate, BaseOutputParser, RunnableGenerator)


class NoAnswerError(ValueError):
    """The model answered without the object that it was asked for."""


class LangChainCall(OfModels):
    """See ``prompt_call``."""

    def __init__(
        self, runnable: Runnable[Any, Any], prompt: Any, *, schema: Any, options: dict[str, Any]
    ) -> None:
        self._prompt = prompt
        self._schema = schema
        runnable = replaced(runnable, _calm)
        if prompt is None and isinstance(_core_of(runnable), BaseChatModel):
            raise InvalidInputError("a model needs a prompt: prompt_call(model, 'Summarise: {text}')")
        if prompt is not None and not isinstance(prompt, (str, BasePromptTemplate)):
            raise InvalidInputError(f"prompt must be text or a LangChain prompt template, not {prompt!r}")
        if isinstance(prompt, str):
            check_text("prompt", prompt)
        if schema is not None:
            runnable = _structured(runnable, schema, options)
        elif options:
            if (estimate := getattr(runnable, "estimate_credits", None)) is not None:
                estimate("x", **options)  # an option that is none is told now, not with each row
            runnable = runnable.bind(**options)
        self._runnable = self.made_of = runnable

    @property
    def facts(self) -> Mapping[str, Any]:
        """See ``RowCall``."""
        model = next(iter(self.models), None)
        return {
            "model": str(getattr(model, "model", type(model).__name__)),
            "prompt": self._prompt if isinstance(self._prompt, str) else _fact_of(self._prompt),
            "schema": _fact_of(self._schema),
            "settings": dict(enumerate(map(_fact_of, _parts(self._runnable)))),
        }

    @property
    def calls_once(self) -> bool:
        """Whether a row is one call for sure: a model between prompts and parsers."""
        parts = list(_parts(self._runnable))
        return sum(isinstance(part, BaseChatModel) for part in parts) == 1 and all(
            isinstance(part, _AROUND_A_MODEL) for part in parts
        )

    async def answer(self, row: Row) -> Any:
        """See ``RowCall``."""
        answer = await self._runnable.ainvoke(self._input(row))
        if isinstance(answer, BaseMessage):
            return answer.text
        if answer is None and self._schema is not None:
            raise NoAnswerError
        return answer

    def estimate(self, row: Row) -> CreditsEstimate | None:
        """See ``RowCall``. ``None`` for another provider's model, or where a step before it is not a prompt."""
        value: Any = self._input(row)
        arguments: dict[str, Any] = {}
        for part in _parts(self._runnable):
            if isinstance(part, BasePromptTemplate):
                value = part.invoke(value)
            elif isinstance(part, BaseChatModel):
                estimate: Callable[..., CreditsEstimate] | None = getattr(part, "estimate_credits", None)
                return None if estimate is None else estimate(value, **arguments)
            elif isinstance(part, dict):
                arguments |= {name: fact for name, fact in part.items() if not name.startswith("ls_")}
            else:
                return None
        return None

    def _input(self, row: Row) -> Any:
        if isinstance(self._prompt, str):
            return filled(self._prompt, row)
        values = dict(row)
        if self._prompt is None:
            return values
        if missing := [name for name in self._prompt.input_variables if values.get(name) is None]:
            raise BadRowError(
                f"the row has no {missing[0]!r}, which the prompt asks for", code="missing_field"
            )
        return self._prompt.invoke(values)


def replaced(runnable: Any, change: Callable[[BaseChatModel], Any]) -> Any:
    """``runnable`` with every model in its sequence and its bindings changed; the caller's stays as it is."""
    if isinstance(runnable, BaseChatModel):
        return change(runnable)
    if isinstance(runnable, RunnableBinding):
        return runnable.model_copy(update={"bound": replaced(runnable.bound, change)})
    if isinstance(runnable, RunnableSequence):
        steps = {
            "first": replaced(runnable.first, change),
            "middle": [replaced(step, change) for step in runnable.middle],
            "last": replaced(runnable.last, change),
        }
        return runnable.model_copy(update=steps)
    return runnable


def _calm(model: BaseChatModel) -> BaseChatModel:
    """A copy that does not try again by itself."""
    if "max_retries" not in type(model).model_fields:
        return model
    return model.model_copy(update={"max_retries": 0})


def _core_of(runnable: Any) -> Any:
    while isinstance(runnable, RunnableBinding):
        runnable = runnable.bound
    return runnable


def _structured(runnable: Any, schema: Any, options: dict[str, Any]) -> Any:
    make = getattr(runnable, "with_structured_output", None)
    if make is None:
        raise InvalidInputError(
            f"schema needs a model, not a {type(runnable).__name__}: use model.with_structured_output in the chain"
        )
    if isinstance(schema, dict) and not {"title", "name"} & schema.keys() and "input_schema" not in schema:
        schema = {"title": "answer", **schema}  # a tool needs a name
    return make(schema, **options)


def _parts(runnable: Any) -> Iterator[Any]:
    """The steps in their order: of a binding its arguments (a dict), then what they are bound to."""
    if isinstance(runnable, RunnableSequence):
        for step in runnable.steps:
            yield from _parts(step)
    elif isinstance(runnable, RunnableBinding):
        yield dict(runnable.kwargs)
        yield from _parts(runnable.bound)
    else:
        yield runnable


def _fact_of(part: Any) -> Any:
    """What of a step changes the answers."""
    if isinstance(part, BaseChatModel):
        return facts_of(part)
    if isinstance(part, type) and issubclass(part, BaseModel):
        return part.model_json_schema()
    if isinstance(part, BasePromptTemplate):
        return dumpd(part)
    if isinstance(part, Mapping):
        return {name: _fact_of(value) for name, value in part.items() if not str(name).startswith("ls_")}
    if isinstance(part, (list, tuple)):
        return [_fact_of(each) for each in part]
    if isinstance(part, Runnable):  # one around others, or one that cannot be looked into, such as a graph
        fields = _fact_of(dict(part)) if isinstance(part, BaseModel) else list(map(facts_of, models_in(part)))
        return [type(part).__name__, fields]
    return part
