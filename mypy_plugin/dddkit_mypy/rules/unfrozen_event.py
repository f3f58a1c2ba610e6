"""The base of an event is frozen; its own decorator or configuration may make it not frozen."""

from __future__ import annotations

from typing import Final

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnClass, Rule
from dddkit_mypy.blocks.freezing import report_thaw
from dddkit_mypy.blocks.model_config import store_setting

CODE: Final = codes.UNFROZEN_EVENT


def check(ctx: ClassContext) -> None:
    """Report an event that is not frozen, at the class that makes it so."""
    report_thaw(ctx, "an event", CODE)


RULE: Final = Rule(
    code=CODE,
    reason=(
        "An event says what has happened: it is handed to many handlers, and none of them may change it for the "
        "others. A dataclass that is not frozen under a frozen one is refused when it is defined, by dataclasses; one "
        "made by `attrs.define` when it is first instantiated; a model with `frozen=False` never. "
        "A configuration counts as pydantic merges it: that of a later base, or of a constant of the module, too. "
        "Silent where it cannot be evaluated."
    ),
    bad="""\
from dddkit.pydantic import DomainEvent


class OrderPaid(DomainEvent, frozen=False):
    order_id: int
""",
    good="""\
from dddkit.pydantic import DomainEvent


class OrderPaid(DomainEvent):
    order_id: int
""",
    checks=(
        OnAnalysed((names.AGGREGATE_EVENT_MODEL, names.DOMAIN_EVENT_MODEL), store_setting),
        OnClass(names.EVENTS, check),
    ),
)
