"""Which rules each hook of mypy calls, as tables of their modules; no rule is here.

A rule is imported when mypy meets the first class, attribute or call that it is about: a run with a cache, which meets
none, pays for no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias

from mypy.errorcodes import ErrorCode

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names

if TYPE_CHECKING:
    from dddkit_mypy._rule import Rule

Table: TypeAlias = Mapping[str, Sequence[str]]
"""For each dotted name, the rules that are asked there."""

CATALOGUE: Final = tuple(map(codes.module_of, codes.CATALOGUE))
"""The rules, by the names of their modules, in the order in which they are called."""


def rule_named(name: str) -> Rule:
    """Return a rule; import its module first if this is the first time."""
    rule: Rule = import_module(f"dddkit_mypy.rules.{name}").RULE
    return rule


def all_rules() -> tuple[Rule, ...]:
    """Return all rules, in the order of the catalogue."""
    return tuple(map(rule_named, CATALOGUE))


class Index:
    """The rules by what their checks ask for; `_rule.py` says what each kind of check is."""

    __slots__ = (
        "analysed",
        "attributes",
        "calls",
        "catalogue",
        "classes",
        "constructions",
        "opt_in",
        "rule_named",
        "signatures",
    )

    def __init__(
        self,
        catalogue: Sequence[str],
        rule_named: Callable[[str], Rule],
        *,
        classes: Table,
        analysed: Table,
        attributes: Table,
        constructions: Table,
        calls: Mapping[str, Table],
        signatures: Mapping[str, Table],
        opt_in: Mapping[str, ErrorCode],
    ) -> None:
        self.catalogue: Final = catalogue
        self.rule_named: Final = rule_named
        self.classes: Final = classes
        """By the bases of a class."""
        self.analysed: Final = analysed
        """By the bases of a class too."""
        self.attributes: Final = attributes
        """By the class that supplies the attribute."""
        self.constructions: Final = constructions
        """By the bases of the class that is called."""
        self.calls: Final = calls
        """By the name of the method, then by the bases of its class."""
        self.signatures: Final = signatures
        """As the calls."""
        self.opt_in: Final = opt_in
        """The codes of the rules that are not called unless these are enabled."""

    def rules(self, table: Table, asked: Iterable[str]) -> list[Rule]:
        """Return the rules that a table has for any of some names, in the order of the catalogue."""
        return [self.rule_named(name) for name in self.names(table, asked)]

    def names(self, table: Table, asked: Iterable[str]) -> list[str]:
        """Return the names of these rules, without importing them."""
        found = {name for key in asked for name in table.get(key, ())}
        return [name for name in self.catalogue if name in found]


_OF_EVENTS: Final = ("unfrozen_event", "mutable_field")
_OF_VALUE_OBJECTS: Final = ("unfrozen_value_object", "value_object_entity", "mutable_field")

INDEX: Final = Index(
    CATALOGUE,
    rule_named,
    classes={
        names.STORY: (
            "unknown_step",
            "step_signature",
            "step_state",
            "step_return",
            "empty_story",
            "repeated_step",
            "unlisted_step",
            "state_order",
            "mutable_default",
            "story_attribute",
            "compensation",
            "undecorated_class",
        ),
        names.DECLARED: ("undecorated_class",),
        **dict.fromkeys(names.EVENTS, _OF_EVENTS),
        **dict.fromkeys(names.VALUE_OBJECTS, _OF_VALUE_OBJECTS),
        names.IDENTIFIED: ("dropped_event", "missing_identity", "aggregate_reference"),
        names.REPOSITORY: ("repository_parameters",),
        names.SYNC_REPOSITORY: ("repository_parameters",),
        names.UNIT: ("repository_parameters",),
        names.CHANGES_HANDLER: ("unhandled_event", "changes_result"),
    },
    analysed={
        names.SIMPLE_NAMESPACE: ("mutable_default",),
        names.AGGREGATE_EVENT_MODEL: ("unfrozen_event", "durable_state"),
        names.DOMAIN_EVENT_MODEL: ("unfrozen_event", "durable_state"),
        names.VALUE_OBJECT_MODEL: ("unfrozen_value_object", "durable_state"),
        names.IDENTIFIED: ("missing_identity", "durable_state"),
        names.REPOSITORY: ("repository_parameters",),
        names.SYNC_REPOSITORY: ("repository_parameters",),
        names.UNIT: ("repository_parameters",),
        names.CHANGES_HANDLER: ("unhandled_event",),
    },
    attributes={names.STEP_LIST: ("unknown_step",), names.SIMPLE_NAMESPACE: ("undeclared_state",)},
    constructions={names.SIMPLE_NAMESPACE: ("undeclared_state",), names.DURABLE: ("durable_state",)},
    calls={
        "add_event": {names.RECORDING: ("foreign_event",)},
        "__call__": {names.EVENT_BROKER: ("unawaited_publish",)},
    },
    signatures={"__call__": {names.STORY: ("story_state",)}},
    opt_in={name: code for name, code in zip(CATALOGUE, codes.CATALOGUE, strict=True) if not code.default_enabled},
)
