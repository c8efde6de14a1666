"""A LlamaIndex LLM or transformation as a job's call."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.llms import LLM, ChatMessage
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.schema import TextNode, TransformComponent
from pydantic import BaseModel

from aivideoapi_batch._calls import Row, in_thread
from aivideoapi_batch._models import OfModels, facts_of
from aivideoapi_batch._rows import BadRowError, check_text, id_of
from aivideoapi_batch._template import filled, text_of
from aivideoapi_core import InvalidInputError

if TYPE_CHECKING:
    from aivideoapi_core import CreditsEstimate

_WHOLE = PromptTemplate("{text}")


class LLMCall(OfModels):
    """See ``prompt_call``."""

    calls_once = True

    def __init__(self, llm: LLM, prompt: Any, *, schema: Any, options: dict[str, Any]) -> None:
        if not isinstance(prompt, (str, BasePromptTemplate)):
            raise InvalidInputError(
                f"an LLM needs a prompt, text with {{field}} in it or a LlamaIndex template, not {prompt!r}"
            )
        if isinstance(prompt, str):
            check_text("prompt", prompt)
        if options and (estimate := getattr(llm, "estimate_credits", None)) is not None:
            estimate([ChatMessage("x")], **options)  # an option that is none is told now, not with each row
        if schema is not None and not (isinstance(schema, type) and issubclass(schema, BaseModel)):
            raise InvalidInputError("schema must be a pydantic class for a LlamaIndex LLM")
        self._llm = self.made_of = _calm(llm)
        self._prompt = prompt
        self._schema = schema
        self._options = options

    @property
    def facts(self) -> Mapping[str, Any]:
        """See ``RowCall``."""
        return {
            "model": self._llm.metadata.model_name,
            "prompt": self._prompt if isinstance(self._prompt, str) else self._prompt.get_template(),
            "schema": None if self._schema is None else self._schema.model_json_schema(),
            "settings": {**facts_of(self._llm), **self._options},
        }

    async def answer(self, row: Row) -> Any:
        """See ``RowCall``."""
        text = self._text(row)
        if self._schema is not None:
            return await self._llm.astructured_predict(self._schema, _WHOLE, self._options or None, text=text)
        return (await self._llm.acomplete(text, **self._options)).text

    def estimate(self, row: Row) -> CreditsEstimate | None:
        """See ``RowCall``. ``None`` for another provider's LLM."""
        estimate = getattr(self._llm, "estimate_credits", None)
        if estimate is None:
            return None
        options = dict(self._options)
        if self._schema is not None:  # it goes out as a tool or as a format, and counts alike
            schema = self._schema.model_json_schema()
            options["tools"] = [{"name": "answer", "description": "", "input_schema": schema}]
        made: CreditsEstimate = estimate([ChatMessage(self._text(row))], **options)
        return made

    def _text(self, row: Row) -> str:
        if isinstance(self._prompt, str):
            return filled(self._prompt, row)
        for name in self._prompt.template_vars:
            if row.get(name) is None:
                raise BadRowError(f"the row has no {name!r}, which the prompt asks for", code="missing_field")
        return self._prompt.format(llm=self._llm, **row)


class TransformCall(OfModels):
    """See ``transform_call``."""

    def __init__(self, transformations: Sequence[TransformComponent], *, text: str, id: str) -> None:
        self._text_field = text
        self._id_field = id
        self._transformations = self.made_of = [_with_calm_llm(each) for each in transformations]

    @property
    def facts(self) -> Mapping[str, Any]:
        """See ``RowCall``."""
        names = [each.class_name() for each in self._transformations]
        settings = [facts_of(each.to_dict()) for each in self._transformations]
        llms = (getattr(each, "llm", None) for each in self._transformations)
        return {
            "model": next((llm.metadata.model_name for llm in llms if llm is not None), None),
            "transformation": ", ".join(names),
            "text": self._text_field,
            "settings": settings[0] if len(settings) == 1 else settings,
        }

    async def answer(self, row: Row) -> Any:
        """See ``RowCall``."""
        text = text_of(row, self._text_field)
        id, _ = id_of(row, self._id_field)
        own = (self._text_field, self._id_field)
        metadata = {name: value for name, value in row.items() if name not in own}
        nodes: Any = [TextNode(text=text, metadata=metadata, **({} if id is None else {"id_": id}))]
        for each in self._transformations:
            # The base class's acall is the synchronous one, which would hold the event loop.
            if type(each).acall is not TransformComponent.acall:
                nodes = await each.acall(nodes)
            else:
                nodes = await in_thread(each, nodes)
        return [node.to_dict() for node in nodes]

    def estimate(self, row: Row) -> None:
        """Nobody can say: a transformation makes its prompts, and perhaps several calls."""
        text_of(row, self._text_field)


def transformations_of(pipeline: Any) -> list[TransformComponent]:
    """Those of an ``IngestionPipeline``. Raises ``InvalidInputError`` where it does more than transform."""
    for name in ("vector_store", "docstore"):
        if getattr(pipeline, name, None) is not None:
            raise InvalidInputError(
                f"a pipeline with a {name} would write each row by itself: leave it out, and add the nodes of job.results()"
            )
    return list(pipeline.transformations)


def _with_calm_llm(transformation: TransformComponent) -> TransformComponent:
    llm = getattr(transformation, "llm", None)
    return transformation if llm is None else transformation.model_copy(update={"llm": _calm(llm)})


def _calm(llm: Any) -> Any:
    """A copy that does not try again by itself."""
    if llm is None or "max_retries" not in getattr(type(llm), "model_fields", {}):
        return llm
    calm = copy.copy(llm)
    calm.max_retries = 0
    return calm
