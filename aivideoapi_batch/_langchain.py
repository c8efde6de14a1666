"""A LangChain model or runnable as a job's call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import BaseOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableAssign,
    RunnableBinding,
    RunnableBranch,
    RunnableGenerator,
    RunnableParallel,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase
from pydantic import BaseModel

from aivideoapi_batch._calls import Row
from aivideoapi_batch._rows import BadRowError
from aivideoapi_batch._template import filled
from aivideoapi_core import InvalidInputError, adapter_kit

if TYPE_CHECKING:
    from aivideoapi_core import CreditBudget, CreditsEstimate, JointBudget, SpendLedger

_NOT_FACTS = frozenset({"base_url", "timeout", "max_retries", "max_retry_wait_s"})
"""Settings that do not change an answer."""


_AROUND_A_MODEL: Final = (dict, BaseChatModel, BasePromptTemplate, BaseOutputParser, RunnableGenerator)


class NoAnswerError(ValueError):
    """The model answered without the object that it was asked for."""


class LangChainCall:
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
        if schema is not None:
            runnable = _structured(runnable, schema, options)
        elif options:
            runnable = runnable.bind(**options)
        self._runnable = runnable

    @property
    def facts(self) -> Mapping[str, Any]:
        """See ``RowCall``."""
        parts = dict(enumerate(_parts(self._runnable)))
        model = next((part for part in parts.values() if isinstance(part, BaseChatModel)), None)
        return {
            "model": str(getattr(model, "model", type(model).__name__)),
            "prompt": self._prompt if isinstance(self._prompt, str) else _fact_of(self._prompt),
            "schema": _fact_of(self._schema),
            "settings": {number: _fact_of(part) for number, part in parts.items()},
        }

    @property
    def budget(self) -> CreditBudget | JointBudget | None:
        """See ``RowCall``."""
        return cast("CreditBudget | JointBudget | None", adapter_kit.joined(self._of_model("budget")))

    @property
    def ledger(self) -> SpendLedger | None:
        """See ``RowCall``."""
        return self._of_model("ledger")  # type: ignore[no-any-return]  # a field of our model

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

    def key(self) -> str | None:
        """See ``RowCall``."""
        for model in _models(self._runnable):
            key = getattr(model, "api_key", None)
            if key is not None and not isinstance(key, adapter_kit.EnvironmentKey):
                return str(key.get_secret_value())
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

    def _of_model(self, name: str) -> Any:
        found = (getattr(model, name, None) for model in _models(self._runnable))
        return next((value for value in found if value is not None), None)


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


def _models(runnable: Any) -> Iterator[BaseChatModel]:
    """The models in a runnable that is made of others; what a function or a graph holds cannot be seen."""
    if isinstance(runnable, BaseChatModel):
        yield runnable
        return
    inner: Iterable[Any] = ()
    match runnable:
        case RunnableSequence():
            inner = runnable.steps
        case RunnableBindingBase():
            inner = [runnable.bound]
        case RunnableWithFallbacks():
            inner = runnable.runnables
        case RunnableParallel():
            inner = runnable.steps__.values()
        case RunnableAssign():
            inner = [runnable.mapper]
        case RunnableBranch():
            inner = [*(step for branch in runnable.branches for step in branch), runnable.default]
    for part in inner:
        yield from _models(part)


def _fact_of(part: Any) -> Any:
    """What of a step changes the answers."""
    if isinstance(part, BaseChatModel):
        return {name: value for name, value in part.asdict().items() if name not in _NOT_FACTS}
    if isinstance(part, type) and issubclass(part, BaseModel):
        return part.model_json_schema()
    if isinstance(part, BasePromptTemplate):
        return dumpd(part)
    if isinstance(part, dict):
        return {name: value for name, value in part.items() if not name.startswith("ls_")}
    return part
