"""What a story without a State can be called with: an argument that each of its steps accepts."""

from __future__ import annotations

from typing import Final

from mypy.nodes import Decorator, Expression, SymbolNode, TypeInfo, Var
from mypy.types import AnyType, CallableType, Instance, Type, TypeOfAny, UninhabitedType, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy._record import Record
from dddkit_mypy.stories.compensations import compensations_of, undecorated
from dddkit_mypy.stories.declaration import steps_of
from dddkit_mypy.stories.steps import refusal_of


class Refused(Record):
    """A step or a compensation that does not accept the argument of a call."""

    step: str
    error: str
    """What mypy says about it."""


class Accepted(Record):
    """What came of checking an argument against the steps."""

    refused: Refused | None
    """The first step that does not accept it; None where each may accept it."""
    given: Type
    """The type of the argument."""
    wanted: Type | None
    """The type that this step takes, or else all steps; None where there is no such type."""


_checked: Final[list[TypeInfo]] = []
"""The stories that are being checked, each a step of the one before it: one of them may hold another of its kind."""


def accepted_by_steps(checker: mypy_api.TypeChecker, story: Instance, argument: Expression) -> Accepted:
    """Check the argument of a call of a story against each of its steps and compensations."""
    if story.type in _checked:
        return Accepted(None, AnyType(TypeOfAny.special_form), None)
    _checked.append(story.type)
    try:
        return _accepted_by_steps(checker, story, argument)
    finally:
        _checked.pop()


def _accepted_by_steps(checker: mypy_api.TypeChecker, story: Instance, argument: Expression) -> Accepted:
    steps = steps_of(story.type)
    dependencies = mypy_api.dependencies_of(checker)
    dependencies.add_metadata(story.type.mro)
    types: dict[Type | None, Type] = {}
    undoing = [one.method for one in compensations_of(story.type).values()]
    for name in () if steps is None else dict.fromkeys([*steps.names, *undoing]):
        dependencies.add_member(story.type, name)
        symbol = story.type.get(name)
        if symbol is None or _may_be_unbound(undecorated(symbol.node)):
            continue
        wanted = parameter_of(mypy_api.type_of_attribute(checker, story, name, argument))
        given = types.get(wanted)
        if given is None:  # an argument such as `{}` has the type that the step expects
            given = types[wanted] = mypy_api.type_in_context(checker, argument, wanted)
        if isinstance(get_proper_type(given), (AnyType, UninhabitedType)):
            continue
        if wanted is not None and mypy_api.is_subtype(given, wanted):
            continue
        error = refusal_of(checker, story, name, given, argument)
        if error is not None:
            return Accepted(Refused(name, error.message.splitlines()[0]), given, wanted)
    anything = AnyType(TypeOfAny.special_form)
    return Accepted(None, anything, next(iter(types)) if len(types) == 1 else None)


def _may_be_unbound(step: SymbolNode | None) -> bool:
    """Whether mypy may be wrong about what Python passes to a step beside the state: only its value decides that."""
    if isinstance(step, Var):
        return step.has_explicit_value or step.is_classvar
    return isinstance(step, Decorator) and isinstance(get_proper_type(step.var.type), Instance)


def parameter_of(step: Type | None) -> Type | None:
    """Return the type of the one parameter of a step, where there are no overloads and no type variables."""
    called = get_proper_type(step)
    if isinstance(called, CallableType) and called.arg_types and not called.variables:
        return called.arg_types[0]
    return None
