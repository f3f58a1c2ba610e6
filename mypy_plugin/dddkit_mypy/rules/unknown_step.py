"""To mypy, `I` has any attribute; only the story decides which names are steps."""

from __future__ import annotations

from typing import Final

from mypy.nodes import (
    Decorator,
    Expression,
    FuncDef,
    MemberExpr,
    NameExpr,
    OpExpr,
    OverloadedFuncDef,
    RefExpr,
    TypeInfo,
    Var,
)
from mypy.plugin import AttributeContext
from mypy.types import AnyType, Instance, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._nearest import nearest
from dddkit_mypy._rule import ClassContext, OnAttribute, OnClass, Rule
from dddkit_mypy.stories.compensations import methods_of
from dddkit_mypy.stories.declaration import Misuse, is_in_comprehension, is_step_list, is_story, may_have, read_body

CODE: Final = codes.UNKNOWN_STEP


def check_listing(ctx: AttributeContext, name: str) -> None:
    """Report an `I.name` that is not in the body of a story, and one that names no attribute of its story."""
    node = ctx.context
    if not isinstance(node, MemberExpr) or not isinstance(node.expr, RefExpr) or node.expr.fullname != names.IMPORTED_I:
        return  # a step list in a variable of the user
    checker = mypy_api.checker_of(ctx.api)
    story = checker.scope.active_class()
    if story is not None and story.fallback_to_any and not is_story(story):
        return  # it may be a story
    message = _wrong_location(node, story) or (None if story is None else _unknown(story, name))
    if message is not None:
        checker.fail(message, node, code=CODE)


def check_body(ctx: ClassContext) -> None:
    """Report each `I.name` that the body uses as if it were the step, and not its name; and each `I.State`."""
    if ctx.checker is None or not mypy_api.metadata_of(ctx.info).get("misused"):
        return
    body = read_body(ctx.info.defn)
    symbol = ctx.info.get("State")
    if symbol is not None:
        is_method = isinstance(symbol.node, (FuncDef, Decorator, OverloadedFuncDef))
        advice = "give the method another name" if is_method else "take the line away"
        for node in body.listed:
            if node.name == "State":
                said = f"{ctx.info.name}: I.State lists no step: State is what the steps share; {advice}"
                ctx.report(said, node, CODE)
    for use in body.misused:
        if _unknown(ctx.info, use.step.name) is None:
            message = _misuse(use, ctx.info, ctx.checker)
            if message is not None:
                ctx.report(f"{ctx.info.name}: {message}", use.node, CODE)


def _misuse(use: Misuse, story: TypeInfo, checker: mypy_api.TypeChecker) -> str | None:
    node, name = use.node, use.step.name
    if isinstance(node, MemberExpr) and node is not use.step:
        if checker.named_type("builtins.str").type.get(node.name) is not None:
            return None  # the name is a string
        nested = get_proper_type(mypy_api.type_of_attribute(checker, mypy_api.self_type(story), name, node))
        if isinstance(nested, Instance) and is_story(nested.type):
            advice = f"write I.{name}, and list I.{node.name} in the body of {nested.type.name}"
        else:
            advice = f"write a method that calls self.{name}.{node.name}, and list that"
        return f'I.{name} is the name of a step, and has no attribute "{node.name}"; {advice}'
    if not _is_untyped(use.step.expr):
        return None  # mypy reports it
    if isinstance(node, OpExpr):
        right = node.right
        following = f"I.{right.name}" if isinstance(right, MemberExpr) and is_step_list(right.expr) else "the next step"
        return (
            f"I.{name} is the name of a step, and is combined with nothing; list each step in a line of its own: "
            f"I.{name}, then {following}"
        )
    return (
        f"I.{name} is the name of a step, and cannot be called; write I.{name}, which lists the step: the story calls "
        f"it when it runs"
    )


def _is_untyped(the_list: Expression) -> bool:
    """Whether mypy says nothing about the attributes of an `I`."""
    if not isinstance(the_list, RefExpr) or the_list.fullname == names.IMPORTED_I:
        return True
    return isinstance(the_list.node, Var) and isinstance(get_proper_type(the_list.node.type), AnyType)


def check_own_list(ctx: ClassContext) -> None:
    """Report what the form `I: ClassVar[Checkout] = steps()` hides: names that mypy resolves, but that list nothing."""
    if "I" not in ctx.info.names:
        return
    for node in read_body(ctx.info.defn).listed:
        if not isinstance(node.expr, NameExpr) or node.expr.fullname == names.IMPORTED_I:
            continue
        if _is_untyped(node.expr) or node.name.startswith("_"):  # mypy itself resolves other names
            message = _unknown(ctx.info, node.name)
            if message is not None:
                ctx.report(message, node, CODE)


def _wrong_location(node: MemberExpr, story: TypeInfo | None) -> str | None:
    """Return the message about an `I.name` that the list of a story does not see."""
    dotted = _dotted(node.expr)
    source = f"{dotted}.{node.name}"
    if story is None:
        return f"{source} lists nothing here; steps are listed in the body of a class that derives from Story"
    if not is_story(story):
        return (
            f"{story.name}: {source} lists nothing, as {story.name} does not derive from Story; move the line into the "
            f"body of a story"
        )
    if dotted != "I":
        return f'{story.name}: {source} lists nothing; in a story the list is called "I": write I.{node.name}'
    if is_in_comprehension(node, story):
        return (
            f"{story.name}: {source} lists nothing in a comprehension; "
            f"write a for statement, with getattr(I, name) where names are computed"
        )
    return None


def _unknown(story: TypeInfo, name: str) -> str | None:
    """Return the message about a name that its story does not have."""
    if name.startswith("_"):
        public = name.strip("_")
        advice = f': name it "{public}"' if public else ""
        return f"{story.name}: I.{name} lists nothing; names of steps do not begin with an underscore{advice}"
    if may_have(story, name):
        return None
    near = nearest(name, _names_of(story))
    advice = (
        f'did you mean "{near}"?'
        if near
        else f"define a method {name}(self, state), or a field {name} that holds a callable"
    )
    return f"{story.name}: I.{name} names no step; {advice}"


def _names_of(story: TypeInfo) -> list[str]:
    """Return the names that a misspelt step may mean."""
    undoing = methods_of(story)
    return [
        name
        for base in story.mro
        if base.fullname not in (names.STORY, "builtins.object")
        for name in base.names
        if not name.startswith("_") and name not in ("I", "State") and name not in undoing
    ]


def _dotted(expr: object) -> str:
    if isinstance(expr, MemberExpr):
        return f"{_dotted(expr.expr)}.{expr.name}"
    return expr.name if isinstance(expr, NameExpr) else "..."


RULE: Final = Rule(
    code=CODE,
    reason=(
        "A misspelt step is found by the runtime when the class is defined, one whose name an `__init__` might supply "
        "only when the story is called. `I._name` lists nothing, nor does an `I` that is not the one of a story's "
        "body: in a function, in a class that is no story, in a comprehension, or imported under another name. "
        "`I.name` is the name of a step, and not the step: it cannot be called, and has no attributes."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.shpi

    class State(StoryState):
        order_id: int

    def reserve(self, state: State) -> None: ...

    def ship(self, state: State) -> None: ...
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.ship

    class State(StoryState):
        order_id: int

    def reserve(self, state: State) -> None: ...

    def ship(self, state: State) -> None: ...
""",
    checks=(
        OnAttribute(names.STEP_LIST, check_listing),
        OnClass((names.STORY,), check_own_list),
        OnClass((names.STORY,), check_body),
    ),
)
