"""Whether mypy lets the steps of a story be called with its state: worked out once a class, for the rules that ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from mypy.nodes import Context, SymbolNode, TypeInfo
from mypy.types import AnyType, Type, TypeOfAny

from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _stories as stories
from dddkit_mypy._mypy_api import Complaint
from dddkit_mypy._rule import ClassContext


class Step(NamedTuple):
    """A step, and what mypy says to the call `story.name(state)`."""

    name: str
    context: Context
    """Where to report: the `I.name`, or what the class has changed about a step it inherits."""
    node: SymbolNode | None
    type: Type | None
    """What is called; None where mypy cannot tell."""
    state: Type | None
    """The State of the story; None where it has none that can be told."""
    misfit: Complaint | None
    """Why it cannot be called with one argument, whatever its type."""
    refused: Complaint | None
    """Why, if it can be called with one argument, that cannot be the state."""
    result: Type | None
    """What the call gives; None where mypy complains."""


def steps_of(ctx: ClassContext) -> list[Step]:
    """The steps of a story that resolve, its own, or those it inherits and has a say in; without the plain ones.

    What is a plain step is as it should be, as far as any rule is concerned that asks.
    """
    if STEPS not in ctx.shared:
        ctx.shared[STEPS] = list(_judge(ctx))
    steps: list[Step] = ctx.shared[STEPS]
    return steps


STEPS: Final = "steps"
"""The answer of `steps_of`, among what the rules share about a class."""


def _judge(ctx: ClassContext) -> Iterator[Step]:
    if ctx.checker is None:
        return
    listed = stories.steps_of(ctx.info)
    if listed is None:
        return
    story = mypy_api.self_type(ctx.info)
    state = stories.state_of(story)
    plain = stories.plain_steps(ctx.info)
    if len(plain) == len(listed.names):
        return
    anything = AnyType(TypeOfAny.special_form)
    for name, context in _to_judge(ctx.info, listed):
        symbol = ctx.info.get(name)
        if symbol is None or name in plain:
            continue  # not there, or supplied by hand
        if mypy_api.takes_exactly(symbol.node, state):  # as it should be, and most are: no need to ask mypy
            yield Step(name, context, symbol.node, symbol.type, state, None, None, mypy_api.result_of(symbol.type))
            continue
        misfit = refused = None
        result, said = mypy_api.call_method(ctx.checker, story, name, state or anything, context)
        complaints = _relevant(said)
        if complaints and state is not None:
            without = _relevant(mypy_api.call_method(ctx.checker, story, name, anything, context)[1])
            misfit, refused = _first(without), None if without else complaints[0]
        else:
            misfit = _first(complaints)
        called = mypy_api.attribute(ctx.checker, story, name, context)
        yield Step(name, context, symbol.node, called, state, misfit, refused, None if complaints else result)


def _to_judge(info: TypeInfo, steps: stories.Steps) -> Iterator[tuple[str, Context]]:
    if steps.owner is info:
        seen: set[str] = set()
        for node in stories.read_body(info.defn).listed:
            if node.name not in seen and not node.name.startswith("_"):
                seen.add(node.name)
                yield node.name, node
        return
    new_state = _changed(info, steps.owner, "State")
    for name in dict.fromkeys(steps.names):
        if new_state or _changed(info, steps.owner, name):
            own = info.names.get(name) or info.names.get("State")
            yield name, info.defn if own is None or own.node is None else own.node


def _changed(info: TypeInfo, owner: TypeInfo, name: str) -> bool:
    mine, theirs = info.get(name), owner.get(name)
    return (mine and mine.node) is not (theirs and theirs.node)


_CODES: Final = frozenset({"call-arg", "operator", "arg-type", "call-overload", "type-var"})
_WITHOUT_CODE: Final = re.compile(r".* not callable$|Too many positional arguments")  # [misc], the second before mypy 2
_WITHOUT_SELF: Final = "does not accept self argument"
_UNTYPED: Final = "Cannot call function of unknown type"


def _relevant(complaints: list[Complaint]) -> list[Complaint]:
    """The complaints about the call itself, without those that the source draws anyway.

    A function borrowed from elsewhere may not accept this class as its `self`; alone, that is no fault of the step.
    """
    found: list[Complaint] = []
    for complaint in complaints:
        if _WITHOUT_SELF in complaint.message:
            found.append(Complaint(complaint.message, "self"))
        elif complaint.code in _CODES or _WITHOUT_CODE.match(complaint.message):
            found.append(complaint)
    return [complaint for complaint in found if not complaint.message.startswith(_UNTYPED)]


def _first(complaints: list[Complaint]) -> Complaint | None:
    return complaints[0] if complaints else None
