"""A value object is frozen by its base; its own decorator or configuration may undo that."""

from __future__ import annotations

from typing import Final

from dddkit_mypy import _names as names
from dddkit_mypy._frozen import thaw_of
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code

_TITLE: Final = "Every value object is frozen"
CODE: Final = new_code("dddkit-unfrozen-value-object", _TITLE)


def check(ctx: ClassContext) -> None:
    """Report the class that thaws what it inherits frozen."""
    thaw = thaw_of(ctx.info)
    if thaw is not None:
        ctx.report(f"{ctx.info.name} is a value object, but not frozen; {thaw.advice}", thaw.node, CODE)


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "A value object is replaced, never changed: whoever holds it may share it. A dataclass that is not frozen "
        "under a frozen one is refused when it is defined, by dataclasses; one made by `attrs.define` when it is first "
        "instantiated; a model with `frozen=False` never."
    ),
    bad="""\
from pydantic import ConfigDict

from dddkit.pydantic import ValueObject


class Money(ValueObject):
    model_config = ConfigDict(frozen=False)

    cents: int
""",
    good="""\
from pydantic import ConfigDict

from dddkit.pydantic import ValueObject


class Money(ValueObject):
    model_config = ConfigDict(str_strip_whitespace=True)

    cents: int
""",
    checks=(OnClass(names.VALUE_OBJECTS, check),),
)
