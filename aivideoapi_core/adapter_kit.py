"""The integrations' face of the core: what the adapters for the frameworks share and users do not need.

Every name is imported at first use, so that an adapter pays at import for what its classes are made of
and at the first call for what a call needs.
"""

from typing import TYPE_CHECKING, Final

from aivideoapi_core._late import late_function, late_names

if TYPE_CHECKING:
    from aivideoapi_core._aliases import by_python_names
    from aivideoapi_core._catalogue.models import EFFORTS
    from aivideoapi_core._catalogue.nearest import nearest_models
    from aivideoapi_core._constructor_errors import settings_error, with_known_arguments
    from aivideoapi_core._fields import StopField
    from aivideoapi_core._http.model_clients import client_settings
    from aivideoapi_core._http.model_requests import ModelRequest
    from aivideoapi_core._http.target import EnvironmentKey, check_key_shape
    from aivideoapi_core._inbound.blocks import read_arguments
    from aivideoapi_core._inbound.call_readings import read_call
    from aivideoapi_core._inbound.changed import Changed
    from aivideoapi_core._inbound.cut_calls import (
        CUT_REASONS,
        UNFINISHED,
        call_error,
        clean_block,
        cut_place,
        invalid_arguments,
        recovered_call,
        unreadable_call,
    )
    from aivideoapi_core._inbound.partial_json import PartialJSON, spoiling_end
    from aivideoapi_core._inbound.read_by import aread_by, read_by
    from aivideoapi_core._inbound.recovered_calls import recover_call, text_of
    from aivideoapi_core._inbound.streamed_block import StreamedBlock
    from aivideoapi_core._metering.approach import Approach
    from aivideoapi_core._metering.attribution import ATTRIBUTION_KEYS, attribution_facts, first_of
    from aivideoapi_core._metering.budgets import Budgets, joined
    from aivideoapi_core._metering.call_facts import CallFacts
    from aivideoapi_core._metering.forks import renew_in_child
    from aivideoapi_core._metering.landing import NO_ANSWER, Landing, cut_results
    from aivideoapi_core._metering.one_write import Books, Entry, Place, keep_books
    from aivideoapi_core._metering.record import may_be_billed
    from aivideoapi_core._metering.summary import count_cache_hit, tracked_by
    from aivideoapi_core._metering.tags import clean_tags, tag_list, tagged
    from aivideoapi_core._metering.telemetry_spans import otel_span_in
    from aivideoapi_core._model_settings import REQUEST_FIELDS, ModelSettings
    from aivideoapi_core._outbound.blocks import Block
    from aivideoapi_core._outbound.conversation import Conversation
    from aivideoapi_core._outbound.flags import check_flag
    from aivideoapi_core._outbound.foreign import BY_KEY, FOREIGN, said_beside
    from aivideoapi_core._outbound.kept_blocks import kept_blocks, said_by_kept
    from aivideoapi_core._outbound.media import as_text, block_at, document_block, image_block
    from aivideoapi_core._outbound.media_forms import LEFTOVERS, MEDIA_FORMS, told_media
    from aivideoapi_core._outbound.more_than_text import may_hold_more_than_text
    from aivideoapi_core._outbound.names import CALL_ARGUMENTS, ArgumentNames, merged_options
    from aivideoapi_core._outbound.option_values import check_settings, stop_list
    from aivideoapi_core._outbound.output import (
        VALUE,
        add_output_format,
        is_object,
        output_format,
        rooted,
        schema_class_of,
        wrapped_schema,
        wrapper_of,
    )
    from aivideoapi_core._outbound.output_schema import enforceable, has_references, is_recursive
    from aivideoapi_core._outbound.request import settle_tools
    from aivideoapi_core._outbound.text import as_json, thought_as_text, told, told_file, warn_once
    from aivideoapi_core._outbound.tool_calls import (
        parse_arguments,
        place_of_call,
        read_tool_calls,
        to_call_input,
    )
    from aivideoapi_core._outbound.tool_forms import (
        OWN_FIELDS,
        are_in_wire_form,
        each_tool,
        is_custom,
        own_tool,
    )
    from aivideoapi_core._outbound.tools import (
        WireNames,
        read_tool_choice,
        wire_choice,
        wire_tool_name,
        wire_tools,
    )
    from aivideoapi_core._outbound.turns import Content, Turns, answered
    from aivideoapi_core._outbound.typed_dicts import typed_dict_schema
    from aivideoapi_core._outbound.well_formed import is_mark
    from aivideoapi_core._received import WIRE_CONTENT
    from aivideoapi_core._secrets import hidden_arguments, without_tokens
    from aivideoapi_core._signatures import remember_signatures
    from aivideoapi_core._stores.budget_arguments import check_seconds
    from aivideoapi_core._stores.target import place_of
    from aivideoapi_core._unvalidated import filled, private_of, set_private, set_values, values_of
    from aivideoapi_core._version import pip_install

_LATER: Final = {
    name: f"aivideoapi_core.{module}"
    for module, names in {
        "_aliases": "by_python_names",
        "_catalogue.models": "EFFORTS",
        "_catalogue.nearest": "nearest_models",
        "_constructor_errors": "settings_error with_known_arguments",
        "_fields": "StopField",
        "_http.model_clients": "client_settings",
        "_http.model_requests": "ModelRequest",
        "_http.target": "EnvironmentKey check_key_shape",
        "_inbound.blocks": "read_arguments",
        "_inbound.call_readings": "read_call",
        "_inbound.changed": "Changed",
        "_inbound.cut_calls": "CUT_REASONS UNFINISHED call_error clean_block cut_place invalid_arguments "
        "recovered_call unreadable_call",
        "_inbound.partial_json": "PartialJSON spoiling_end",
        "_inbound.read_by": "aread_by read_by",
        "_inbound.recovered_calls": "recover_call text_of",
        "_inbound.streamed_block": "StreamedBlock",
        "_model_settings": "REQUEST_FIELDS ModelSettings",
        "_metering.approach": "Approach",
        "_metering.attribution": "ATTRIBUTION_KEYS attribution_facts first_of",
        "_metering.budgets": "Budgets joined",
        "_metering.call_facts": "CallFacts",
        "_metering.forks": "renew_in_child",
        "_metering.landing": "NO_ANSWER Landing cut_results",
        "_metering.one_write": "Books Entry Place keep_books",
        "_metering.record": "may_be_billed",
        "_metering.summary": "count_cache_hit tracked_by",
        "_metering.tags": "clean_tags tag_list tagged",
        "_metering.telemetry_spans": "otel_span_in",
        "_outbound.blocks": "Block",
        "_outbound.conversation": "Conversation",
        "_outbound.flags": "check_flag",
        "_outbound.foreign": "BY_KEY FOREIGN said_beside",
        "_outbound.kept_blocks": "kept_blocks said_by_kept",
        "_outbound.media": "as_text block_at document_block image_block",
        "_outbound.media_forms": "LEFTOVERS MEDIA_FORMS told_media",
        "_outbound.more_than_text": "may_hold_more_than_text",
        "_outbound.names": "CALL_ARGUMENTS ArgumentNames merged_options",
        "_outbound.output": "VALUE add_output_format is_object output_format rooted schema_class_of wrapped_schema wrapper_of",
        "_outbound.output_schema": "enforceable has_references is_recursive",
        "_outbound.option_values": "check_settings stop_list",
        "_outbound.request": "settle_tools",
        "_outbound.text": "as_json thought_as_text told told_file warn_once",
        "_outbound.tool_calls": "parse_arguments place_of_call read_tool_calls to_call_input",
        "_outbound.tool_forms": "OWN_FIELDS are_in_wire_form each_tool is_custom own_tool",
        "_outbound.tools": "WireNames read_tool_choice wire_choice wire_tool_name wire_tools",
        "_outbound.turns": "Content Turns answered",
        "_outbound.typed_dicts": "typed_dict_schema",
        "_outbound.well_formed": "is_mark",
        "_received": "WIRE_CONTENT",
        "_secrets": "hidden_arguments without_tokens",
        "_signatures": "remember_signatures",
        "_stores.budget_arguments": "check_seconds",
        "_stores.target": "place_of",
        "_unvalidated": "filled private_of set_private set_values values_of",
        "_version": "pip_install",
    }.items()
    for name in names.split()
}
"""The modules of the names that a type checker imports above."""

__all__ = [
    "ATTRIBUTION_KEYS",
    "BY_KEY",
    "CALL_ARGUMENTS",
    "CUT_REASONS",
    "EFFORTS",
    "FOREIGN",
    "LEFTOVERS",
    "MEDIA_FORMS",
    "NO_ANSWER",
    "OWN_FIELDS",
    "REQUEST_FIELDS",
    "UNFINISHED",
    "VALUE",
    "WIRE_CONTENT",
    "Approach",
    "ArgumentNames",
    "Block",
    "Books",
    "Budgets",
    "CallFacts",
    "Changed",
    "Content",
    "Conversation",
    "Entry",
    "EnvironmentKey",
    "Landing",
    "ModelRequest",
    "ModelSettings",
    "PartialJSON",
    "Place",
    "StopField",
    "StreamedBlock",
    "Turns",
    "WireNames",
    "add_output_format",
    "answered",
    "are_in_wire_form",
    "aread_by",
    "as_json",
    "as_text",
    "attribution_facts",
    "block_at",
    "by_python_names",
    "call_error",
    "check_flag",
    "check_key_shape",
    "check_seconds",
    "check_settings",
    "clean_block",
    "clean_tags",
    "client_settings",
    "count_cache_hit",
    "cut_place",
    "cut_results",
    "document_block",
    "each_tool",
    "enforceable",
    "filled",
    "first_of",
    "has_references",
    "hidden_arguments",
    "image_block",
    "invalid_arguments",
    "is_custom",
    "is_mark",
    "is_object",
    "is_recursive",
    "joined",
    "keep_books",
    "kept_blocks",
    "late_function",
    "late_names",
    "may_be_billed",
    "may_hold_more_than_text",
    "merged_options",
    "nearest_models",
    "otel_span_in",
    "output_format",
    "own_tool",
    "parse_arguments",
    "pip_install",
    "place_of",
    "place_of_call",
    "private_of",
    "read_arguments",
    "read_by",
    "read_call",
    "read_tool_calls",
    "read_tool_choice",
    "recover_call",
    "recovered_call",
    "remember_signatures",
    "renew_in_child",
    "rooted",
    "said_beside",
    "said_by_kept",
    "schema_class_of",
    "set_private",
    "set_values",
    "settings_error",
    "settle_tools",
    "spoiling_end",
    "stop_list",
    "tag_list",
    "tagged",
    "text_of",
    "thought_as_text",
    "to_call_input",
    "told",
    "told_file",
    "told_media",
    "tracked_by",
    "typed_dict_schema",
    "unreadable_call",
    "values_of",
    "warn_once",
    "wire_choice",
    "wire_tool_name",
    "wire_tools",
    "with_known_arguments",
    "without_tokens",
    "wrapped_schema",
    "wrapper_of",
]

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    __getattr__, __dir__ = late_names(__name__, _LATER, __all__)
