"""The steps of a story, checked by mypy as calls with its state, once a class for all rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from mypy.nodes import Context, Decorator, SymbolNode, TypeInfo, Var
from mypy.types import AnyType, CallableType, Instance, Overloaded, Type, TypeOfAny, TypeType, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy._record import Record
from dddkit_mypy._rule import ClassContext
from dddkit_mypy.mypy_api import CallError
from dddkit_mypy.stories.compensations import member_named, undecorated
from dddkit_mypy.stories.declaration import Steps, read_body, steps_of
from dddkit_mypy.stories.fitting import fits
from dddkit_mypy.stories.reading import StoryReading
from dddkit_mypy.stories.state import state_of


class CheckedStep(Record):
    """A step, and the result of checking the call `story.name(state)`."""

    name: str
    context: Context
    """Where to report: the `I.name`, or the definition by which the class changes an inherited step."""
    node: SymbolNode | None
    type: Type | None
    """The type of what is called; None where it is unknown."""
    state: Type | None
    """The State of the story; None where there is none, or it is unknown."""
    signature_error: CallError | None
    """Why it cannot be called with one argument of any type."""
    state_error: CallError | None
    """Why it cannot be called with the state, although with one argument of another type."""
    result: Type | None
    """The type of the call; None where mypy reports an error."""


def checked_steps(ctx: ClassContext) -> list[CheckedStep]:
    """Return the steps of a story that resolve: its own, and inherited ones that it changes.

    Without those that fit, which are correct for every rule that calls this.
    """
    if _CHECKED_STEPS not in ctx.shared:
        ctx.shared[_CHECKED_STEPS] = list(_check(ctx))
    steps: list[CheckedStep] = ctx.shared[_CHECKED_STEPS]
    return steps


_CHECKED_STEPS: Final = "steps"
_ODD_STEPS: Final = "odd steps"
KNOWN_STORY: Final = "known story"
"""The keys in `ClassContext.shared` of what is found here, and of the story as the analysis knows it, or None."""


def checked_compensations(ctx: ClassContext, methods: dict[str, Context]) -> Iterator[CheckedStep]:
    """Yield compensations of a story that may not fit, checked like its steps.

    `methods` has their names, and where to report each.
    """
    return _judged(ctx, _odd_ones(ctx, list(methods)), lambda: methods.items())


def _check(ctx: ClassContext) -> Iterator[CheckedStep]:
    listed = steps_of(ctx.info)
    if listed is None:
        return iter(())
    return _judged(ctx, steps_that_may_not_fit(ctx, listed), lambda: _to_check(ctx.info, listed))


def _judged(
    ctx: ClassContext, odd: set[str], places: Callable[[], Iterable[tuple[str, Context]]]
) -> Iterator[CheckedStep]:
    """Yield steps that may not fit; `places` tells where to report, and which not to."""
    if ctx.checker is None or not odd:
        return
    story = mypy_api.self_type(ctx.info)
    state = state_of(story)
    anything = AnyType(TypeOfAny.special_form)
    for name, context in places():
        symbol = ctx.info.get(name)
        if name not in odd or symbol is None:
            continue
        node = undecorated(symbol.node)
        if mypy_api.takes_exactly(node, state):  # the common case, which mypy need not check
            result = mypy_api.return_type_of(symbol.type)
            yield CheckedStep(name, context, node, symbol.type, state, None, None, result)
            continue
        signature_error = state_error = None
        reading = _Reading(partial(mypy_api.check_call, ctx.checker, story, name), None)
        result, errors = reading.check(state or anything, context)
        if errors:
            for reading in _other_readings(ctx.checker, node, story):
                result, errors = reading.check(state or anything, context)
                if not errors:
                    break
        if errors and state is not None:
            of_any = reading.check(anything, context)[1]
            signature_error, state_error = _first(of_any), None if of_any else errors[0]
        else:
            signature_error = _first(errors)
        called = reading.type or mypy_api.type_of_attribute(ctx.checker, story, name, context)
        yield CheckedStep(name, context, node, called, state, signature_error, state_error, None if errors else result)


def steps_that_may_not_fit(ctx: ClassContext, listed: Steps) -> set[str]:
    """Return those of the listed steps of a story that resolve and do not certainly fit."""
    if _ODD_STEPS not in ctx.shared:
        ctx.shared[_ODD_STEPS] = _odd_ones(ctx, listed.names)
    odd: set[str] = ctx.shared[_ODD_STEPS]
    return odd


def _odd_ones(ctx: ClassContext, names: list[str]) -> set[str]:
    """Return those of the named steps that resolve and do not certainly fit; code of the user may supply others."""
    known: StoryReading | None = ctx.shared.get(KNOWN_STORY)
    called, simple = ({}, {}) if known is None else (known.called, known.simple)
    to_judge = [name for name in names if name not in simple]
    if not to_judge:
        return set()
    story = mypy_api.self_type(ctx.info)
    state = get_proper_type(state_of(story))
    odd: set[str] = set()
    for name in to_judge:
        node = called[name] if name in called else member_named(ctx.info, name)
        if node is not None and not (isinstance(state, Instance) and fits(node, story, state)):
            odd.add(name)
    return odd


class _Reading(Record):
    """A way to call a step."""

    call: Callable[[Type, Context], tuple[Type, list[CallError]]]
    type: Type | None
    """The type of what is called, where that is not the type of the attribute."""

    def check(self, argument: Type, context: Context) -> tuple[Type, list[CallError]]:
        """Check the call with one argument of a type; return the type of the call, and the errors about it."""
        result, reported = self.call(argument, context)
        return result, _relevant(reported)


def _other_readings(checker: mypy_api.TypeChecker, node: SymbolNode | None, story: Instance) -> Iterator[_Reading]:
    """Yield the ways to call a step, other than mypy's, that may be what happens at run time; the one to report last.

    Only the value decides whether it is bound to the object, and that, mypy does not see: it binds what is annotated
    as `ClassVar[Callable[...]]`, which may be a static method or an object, and does not bind what a decorator such as
    `functools.wraps` returns, which may be a function.
    """
    var = node.var if isinstance(node, Decorator) else node
    if not isinstance(var, Var) or var.type is None:
        return
    declared = mypy_api.seen_from(var.type, var.info, story)
    for given in _given_before(node, declared, story):
        yield _Reading(partial(_check_declared, checker, declared, given), None if given else declared)


def _given_before(node: SymbolNode | None, declared: Type, story: Instance) -> Iterator[list[Type]]:
    """Yield what Python may pass to a step before the state, where mypy may be wrong about it."""
    called = get_proper_type(declared)
    if isinstance(node, Decorator):
        may_be_function = isinstance(called, Instance) and (
            called.type.is_protocol or called.type.module_name == "functools"
        )
        if may_be_function and not (node.func.is_property or node.func.is_static):
            yield [TypeType(story) if node.func.is_class else story]
    elif isinstance(node, Var) and (node.has_explicit_value or node.is_classvar) and not node.is_inferred:
        is_field = not (node.is_classvar or {"dataclass", "attrs"}.isdisjoint(node.info.metadata))
        if isinstance(called, (CallableType, Overloaded)) and not is_field:
            if not node.is_classvar:
                yield [story]
            yield []


def _check_declared(
    checker: mypy_api.TypeChecker, declared: Type, given: list[Type], argument: Type, context: Context
) -> tuple[Type, list[CallError]]:
    return mypy_api.check_call_of(checker, declared, [*given, argument], context)


def _to_check(info: TypeInfo, steps: Steps) -> Iterator[tuple[str, Context]]:
    if steps.owner is info:
        seen: set[str] = set()
        body = read_body(info.defn)
        misused = {use.step for use in body.misused}
        for node in body.listed:
            if node.name not in seen and not node.name.startswith("_") and node.name != "State":
                seen.add(node.name)
                if node not in misused:  # else another rule reports it
                    yield node.name, node
        return
    new_state = _changed(info, steps.owner, "State")
    for name in dict.fromkeys(steps.names):
        if name != "State" and (new_state or _changed(info, steps.owner, name)):
            yield name, place_of(info, name)


def place_of(info: TypeInfo, name: str) -> Context:
    """Return where a class defines a method, or else its State; else the class."""
    own = info.names.get(name) or info.names.get("State")
    node = None if own is None else undecorated(own.node)
    return info.defn if node is None or node.line < 0 else node  # mypy keeps no line of a TypedDict


def _changed(info: TypeInfo, owner: TypeInfo, name: str) -> bool:
    mine, theirs = info.get(name), owner.get(name)
    return (mine and mine.node) is not (theirs and theirs.node)


_CODES: Final = frozenset({"call-arg", "operator", "arg-type", "call-overload", "type-var"})
_WITHOUT_CODE: Final = r".* not callable$|Too many positional arguments"  # [misc], the second before mypy 2
_OF_NESTED: Final = "dddkit-story-state"  # a step that is a story itself is called
_WITHOUT_SELF: Final = "does not accept self argument"
_UNTYPED: Final = "Cannot call function of unknown type"


def _relevant(errors: list[CallError]) -> list[CallError]:
    """Return the errors about the call itself, without those that mypy reports for the source anyway.

    A function borrowed from another class may not accept this class as its `self`; alone, that is no error of the step.
    """
    found: list[CallError] = []
    for error in errors:
        if _WITHOUT_SELF in error.message:
            found.append(CallError(error.message, "self"))
        elif error.code in _CODES or re.match(_WITHOUT_CODE, error.message):
            found.append(error)
    return [error for error in found if not error.message.startswith(_UNTYPED)]


def _first(errors: list[CallError]) -> CallError | None:
    return errors[0] if errors else None


def refusal_of(
    checker: mypy_api.TypeChecker, story: Type, name: str, argument: Type, context: Context
) -> CallError | None:
    """Return why a step does not accept an argument, although it accepts one of another type; None where it does."""
    reported = mypy_api.check_call(checker, story, name, argument, context)[1]
    errors = _relevant(reported) or [error for error in reported if error.code == _OF_NESTED]
    if not errors:
        return None
    anything = AnyType(TypeOfAny.special_form)
    of_any = _relevant(mypy_api.check_call(checker, story, name, anything, context)[1])
    return None if of_any else errors[0]
