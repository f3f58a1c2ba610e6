"""A step may be listed twice on purpose; more often, a line was copied."""

from __future__ import annotations

from typing import Final

from mypy.nodes import ExpressionStmt, MemberExpr

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.stories.declaration import is_step_list, listed_by, may_have

CODE: Final = codes.REPEATED_STEP


def check(ctx: ClassContext) -> None:
    """Report each listing of a step after its first.

    Only `I.name` statements directly in the body count: of those under an `if`, perhaps only one runs.
    """
    listed = listed_by(ctx.info)
    if len(set(listed)) == len(listed):
        return
    first: dict[str, int] = {}
    for statement in ctx.info.defn.defs.body:
        if not isinstance(statement, ExpressionStmt):
            continue
        node = statement.expr
        if not (isinstance(node, MemberExpr) and is_step_list(node.expr)) or node.name.startswith("_"):
            continue
        if node.name not in first:
            first[node.name] = node.line
        elif may_have(ctx.info, node.name):
            ctx.report(
                f"{ctx.info.name}: I.{node.name} is listed on line {first[node.name]} already, so the step runs again; "
                f"remove one of the two, or ignore this line if that is meant",
                node,
                CODE,
            )


RULE: Final = Rule(
    code=CODE,
    reason=(
        "A step that is listed twice runs twice: the card is charged again. The runtime allows it, since some stories "
        "mean it, so this rule is for projects whose stories never do."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge
    I.ship
    I.charge

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...

    def ship(self, state: State) -> None: ...
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge
    I.ship

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...

    def ship(self, state: State) -> None: ...
""",
    checks=(OnClass((names.STORY,), check),),
)
