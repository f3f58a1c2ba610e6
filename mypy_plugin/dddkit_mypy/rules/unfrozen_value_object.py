"""A value object is frozen by its base; its own decorator or configuration may undo that."""

from __future__ import annotations

from typing import Final

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnClass, Rule
from dddkit_mypy.blocks.freezing import report_thaw
from dddkit_mypy.blocks.model_config import store_setting

CODE: Final = codes.UNFROZEN_VALUE_OBJECT


def check(ctx: ClassContext) -> None:
    """Report a value object that is not frozen, at the class that makes it so."""
    report_thaw(ctx, "a value object", CODE)


RULE: Final = Rule(
    code=CODE,
    reason=(
        "A value object is replaced, never changed: whoever holds it may share it. A dataclass that is not frozen "
        "under a frozen one is refused when it is defined, by dataclasses; one made by `attrs.define` when it is first "
        "instantiated; a model with `frozen=False` never."
    ),
    bad="""\
from pydantic import ConfigDict

from dddkit.pydantic import ValueObject


class Money(ValueObject):
    model_config = ConfigDict(str_to_upper=True, frozen=False)

    currency: str
    cents: int
""",
    good="""\
from pydantic import ConfigDict

from dddkit.pydantic import ValueObject


class Money(ValueObject):
    model_config = ConfigDict(str_to_upper=True)

    currency: str
    cents: int
""",
    checks=(OnAnalysed((names.VALUE_OBJECT_MODEL,), store_setting), OnClass(names.VALUE_OBJECTS, check)),
)
