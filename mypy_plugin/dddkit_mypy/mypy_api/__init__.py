"""What the plugin uses of mypy beyond nodes, types, error codes and the plugin interface."""

from mypy.checker import TypeChecker
from mypy.checkexpr import has_uninhabited_component
from mypy.errors import CompileError
from mypy.messages import format_type, format_type_distinctly
from mypy.options import Options
from mypy.patterns import ClassPattern, Pattern
from mypy.subtypes import is_same_type, is_subtype

from dddkit_mypy.mypy_api.analysis import AnalysisScope, analysis_scope_of, is_for_daemon, run_when_analysed
from dddkit_mypy.mypy_api.calls import (
    CallError,
    check_call,
    check_call_of,
    members_of_callee,
    type_in_context,
    type_of_attribute,
    value_of,
)
from dddkit_mypy.mypy_api.checking import (
    check_again_later,
    checker_of,
    class_just_checked,
    enclosing_classes,
    outermost_function,
    visible_modules,
)
from dddkit_mypy.mypy_api.classes import (
    declares_assignable,
    has_own_metaclass,
    is_abstract,
    is_frozen,
    is_never_edited,
    is_ours,
    making_dataclasses,
    members_of,
    name_in_body,
    qualified_name,
    source_name,
)
from dddkit_mypy.mypy_api.dependencies import Dependencies, dependencies_of, modules_of
from dddkit_mypy.mypy_api.descriptors import read_on
from dddkit_mypy.mypy_api.diagnostics import fail_at, head_of
from dddkit_mypy.mypy_api.metadata import (
    METADATA,
    bases_with,
    metadata_of,
    private_text_of,
    set_private_text,
    update_metadata,
)
from dddkit_mypy.mypy_api.methods import (
    NamedType,
    add_call,
    add_init_subclass_call,
    coroutine_of_none,
    generated_call_result,
    remove_added_statements,
    replace_call,
    set_call_result,
)
from dddkit_mypy.mypy_api.modules import classes_in_module, module_named
from dddkit_mypy.mypy_api.protocols import misfit
from dddkit_mypy.mypy_api.signatures import (
    SELF_AND_ONE,
    awaited_type,
    return_type_of,
    returns_nothing,
    takes_exactly,
    with_argument_type,
)
from dddkit_mypy.mypy_api.source_calls import (
    DroppedCalls,
    dropped_by,
    functions_in,
    name_in_source,
    receiver_types,
    union_items,
)
from dddkit_mypy.mypy_api.stubs import comes_from_stub, is_in_stub, is_of_typeshed
from dddkit_mypy.mypy_api.trees import assigned_parts, children, walk
from dddkit_mypy.mypy_api.types import any_instance_of, classes_in, made_by, seen_from, self_type, target_of

__all__ = [
    "METADATA",
    "SELF_AND_ONE",
    "AnalysisScope",
    "CallError",
    "ClassPattern",
    "CompileError",
    "Dependencies",
    "DroppedCalls",
    "NamedType",
    "Options",
    "Pattern",
    "TypeChecker",
    "add_call",
    "add_init_subclass_call",
    "analysis_scope_of",
    "any_instance_of",
    "assigned_parts",
    "awaited_type",
    "bases_with",
    "check_again_later",
    "check_call",
    "check_call_of",
    "checker_of",
    "children",
    "class_just_checked",
    "classes_in",
    "classes_in_module",
    "comes_from_stub",
    "coroutine_of_none",
    "declares_assignable",
    "dependencies_of",
    "dropped_by",
    "enclosing_classes",
    "fail_at",
    "format_type",
    "format_type_distinctly",
    "functions_in",
    "generated_call_result",
    "has_own_metaclass",
    "has_uninhabited_component",
    "head_of",
    "is_abstract",
    "is_for_daemon",
    "is_frozen",
    "is_in_stub",
    "is_never_edited",
    "is_of_typeshed",
    "is_ours",
    "is_same_type",
    "is_subtype",
    "made_by",
    "making_dataclasses",
    "members_of",
    "members_of_callee",
    "metadata_of",
    "misfit",
    "module_named",
    "modules_of",
    "name_in_body",
    "name_in_source",
    "outermost_function",
    "private_text_of",
    "qualified_name",
    "read_on",
    "receiver_types",
    "remove_added_statements",
    "replace_call",
    "return_type_of",
    "returns_nothing",
    "run_when_analysed",
    "seen_from",
    "self_type",
    "set_call_result",
    "set_private_text",
    "source_name",
    "takes_exactly",
    "target_of",
    "type_in_context",
    "type_of_attribute",
    "union_items",
    "update_metadata",
    "value_of",
    "visible_modules",
    "walk",
    "with_argument_type",
]
