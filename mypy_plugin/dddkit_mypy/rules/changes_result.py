"""A changes handler sets the fields of its result by name, as attributes; no type connects the two."""

from __future__ import annotations

from typing import Final

from mypy.nodes import TypeInfo
from mypy.types import AnyType, Instance, TupleType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._nearest import nearest
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.blocks.changes_handlers import own_classes, parameters_of, set_names, unset_names
from dddkit_mypy.blocks.changes_results import cannot_change, class_of, empty_value, named_tuple_of, required_fields
from dddkit_mypy.mypy_api import Options, format_type

CODE: Final = codes.CHANGES_RESULT


def check(ctx: ClassContext) -> None:
    """Report a wrong result of a handler; once, and not at the children that inherit it."""
    own, *inherited = own_classes(ctx.info)
    message = _mistake(own, ctx.api.options)
    if message is None or mypy_api.comes_from_stub(own, ctx.api):
        return  # stubs leave out what methods set
    if not any(_mistake(base, ctx.api.options) for base in inherited):
        ctx.report(message, own.defn, CODE)


def _mistake(info: TypeInfo, options: Options) -> str | None:
    """Return the message about a result that is no NamedTuple, that the handler does not name, or does not fill."""
    parameters = None if mypy_api.is_abstract(info) else parameters_of(info)
    result = get_proper_type(parameters[1]) if parameters is not None else None
    if not isinstance(result, (Instance, TupleType)):
        return None
    found = class_of(result)
    if found.fallback_to_any:
        return None
    named_tuple = named_tuple_of(found)
    if named_tuple is None:
        return (
            f"{info.name}: the result, {format_type(result, options)}, is no NamedTuple; declare one, with a field "
            f"for each thing that the handler collects"
        )
    if unset_names(info, ["result_type"]):
        return (
            f"{info.name} does not say what it folds into; write result_type = {found.name} in its body, or derive "
            f"it from ABC if it is a base for other handlers"
        )
    unset = unset_names(info, list(required_fields(named_tuple)))
    if not unset:
        return None
    advice = _advice(info, named_tuple, unset, options)
    return f"{info.name} never sets {', '.join(map(_quoted, unset))} of its result; {advice}"


def _advice(info: TypeInfo, named_tuple: TypeInfo, unset: list[str], options: Options) -> str:
    others = set_names(info).difference(named_tuple.names)
    for name in unset:
        near = nearest(name, others)
        if near:
            return f'it sets "{near}": did you mean "{name}"?'
    fields = required_fields(named_tuple)
    name = unset[0]
    type_, empty = format_type(fields[name], options).strip('"'), empty_value(fields[name])
    if empty is not None:
        advice = f'in _clear_state(self) write "self.{name}: {type_} = {empty}"'
    else:
        of_type = "" if isinstance(get_proper_type(fields[name]), AnyType) else f", of type {type_},"
        advice = f"in _clear_state(self) set self.{name}{of_type} to its value where there are no events"
    if len(unset) > 1:
        advice += ", and the same for the others"
    if all(cannot_change(fields[name]) for name in unset):
        default = "a default" if len(unset) == 1 else "defaults"
        advice += f", or give {'it' if len(unset) == 1 else 'them'} {default} in {mypy_api.source_name(named_tuple)}"
    return advice


def _quoted(name: str) -> str:
    return f'"{name}"'


RULE: Final = Rule(
    code=CODE,
    reason=(
        "The result is made of the attributes that have the names of its fields: one that was never set, a misspelt "
        "one perhaps, is a `ChangesResultError` when the handler is called. A field with a default may be left out, "
        "and a property or a class attribute sets a field as well. A base for other handlers derives from `ABC`."
    ),
    bad="""\
from typing import NamedTuple

from dddkit.pydantic import Aggregate, AggregateEvent, ChangesHandler


class Basket(Aggregate):
    id: int


class Rows(NamedTuple):
    added: list[str]
    removed: list[str]


class BasketRows(ChangesHandler[Basket, Rows]):
    result_type = Rows

    def _clear_state(self) -> None:
        self.added: list[str] = []

    def handle_changes(self, event: AggregateEvent, aggregate: Basket) -> None:
        self.added.append(type(event).__name__)
""",
    good="""\
from typing import NamedTuple

from dddkit.pydantic import Aggregate, AggregateEvent, ChangesHandler


class Basket(Aggregate):
    id: int


class Rows(NamedTuple):
    added: list[str]
    removed: list[str]


class BasketRows(ChangesHandler[Basket, Rows]):
    result_type = Rows

    def _clear_state(self) -> None:
        self.added: list[str] = []
        self.removed: list[str] = []

    def handle_changes(self, event: AggregateEvent, aggregate: Basket) -> None:
        self.added.append(type(event).__name__)
""",
    checks=(OnClass((names.CHANGES_HANDLER,), check),),
)
