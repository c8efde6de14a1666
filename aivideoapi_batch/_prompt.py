"""``prompt_call`` and ``transform_call``: a model, chain or transformation of either framework as a job's call."""

from __future__ import annotations

import sys
from typing import Any

from aivideoapi_batch._calls import RowCall
from aivideoapi_core import InvalidInputError


def prompt_call(model: Any, prompt: Any = None, *, schema: Any = None, **options: Any) -> RowCall:
    """A call of ``model`` with ``prompt`` for each row.

    ``model``: a LangChain chat model or any runnable, or a LlamaIndex LLM. ``prompt``: text in which
    ``{field}`` stands for a field of the row (other braces are text), or a prompt template of the framework; a
    runnable that has its prompt already gets the row as it is. ``schema``: a pydantic class (LangChain:
    or a JSON schema) makes the answer an object. ``options``: arguments of every call, such as
    ``max_tokens``; with a LangChain schema those of ``with_structured_output``.

    Tries again are the job's, so the model is used as a copy with ``max_retries=0``: only then does the job's
    pace see every 429.
    """
    if _is_a("langchain_core.runnables", "Runnable", model):
        from aivideoapi_batch._langchain import LangChainCall

        return LangChainCall(model, prompt, schema=schema, options=options)
    if _is_a("llama_index.core.llms", "LLM", model):
        from aivideoapi_batch._llamaindex import LLMCall

        return LLMCall(model, prompt, schema=schema, options=options)
    raise InvalidInputError(
        f"prompt_call takes a LangChain model or runnable, or a LlamaIndex LLM, not a {type(model).__name__}"
    )


def transform_call(
    transformation: Any,
    prompt: Any = None,
    *,
    schema: Any = None,
    text: str = "text",
    id: str = "id",
    **options: Any,
) -> RowCall:
    """A call of a LlamaIndex transformation (an extractor, say) for each row, as one node; or of an LLM.

    ``transformation``: one, a list of them, or an ``IngestionPipeline`` without a store, whose transformations follow
    one another. The field ``text`` is the node's text, the field ``id`` its id, the other fields its metadata. The
    answer is the list of the nodes that come out, as ``to_dict`` gives them: ``TextNode.from_dict``
    takes them back. With an LLM it is ``prompt_call``.
    """
    if _is_a("llama_index.core.ingestion", "IngestionPipeline", transformation):
        from aivideoapi_batch._llamaindex import transformations_of

        transformation = transformations_of(transformation)
    several = transformation if isinstance(transformation, list) and transformation else [transformation]
    if all(_is_a("llama_index.core.schema", "TransformComponent", each) for each in several):
        from aivideoapi_batch._llamaindex import TransformCall

        if prompt is not None or schema is not None or options:
            raise InvalidInputError("prompt, schema and options are for an LLM; a transformation has its own")
        return TransformCall(several, text=text, id=id)
    if _is_a("llama_index.core.llms", "LLM", transformation):
        return prompt_call(transformation, prompt, schema=schema, **options)
    raise InvalidInputError(
        f"transform_call takes a LlamaIndex transformation or LLM, not a {type(transformation).__name__}"
    )


def _is_a(module: str, name: str, value: Any) -> bool:
    """Whether ``value`` is of a framework's class; without importing a framework that made no such object."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))
