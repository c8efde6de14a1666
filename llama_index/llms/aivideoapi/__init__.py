"""``llama_index.llms.aivideoapi``: the import path that LlamaIndex users expect."""

from llamaindex_aivideoapi import AIVideoAPI

__all__ = ["AIVideoAPI"]
