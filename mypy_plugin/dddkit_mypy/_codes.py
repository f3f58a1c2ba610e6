"""The error codes of the rules, in the order of the catalogue.

mypy must know them when it reads `enable_error_code`, which is before the plugin needs any rule.
"""

from __future__ import annotations

from typing import Final

from mypy.errorcodes import ErrorCode

PARENT: Final = ErrorCode("dddkit", "Check declarations of dddkit's building blocks and stories", "dddkit")


def new_code(name: str, title: str, *, opt_in: bool = False) -> ErrorCode:
    """Make a code; `enable_error_code` enables an opt-in one.

    Its title says what is right, as in "Every story lists its steps".
    """
    return ErrorCode(name, title, "dddkit", default_enabled=not opt_in, sub_code_of=PARENT)


def module_of(code: ErrorCode) -> str:
    """Return the name of the module in `rules/` that reports a code."""
    return code.code.removeprefix("dddkit-").replace("-", "_")


INTERNAL: Final = new_code("dddkit-internal", "Report errors of the dddkit plugin itself")

CATALOGUE: Final[list[ErrorCode]] = []
"""The codes of the rules, in the order of the lines below."""


def _of_rule(name: str, title: str, *, opt_in: bool = False) -> ErrorCode:
    code = new_code(name, title, opt_in=opt_in)
    CATALOGUE.append(code)
    return code


UNKNOWN_STEP: Final = _of_rule("dddkit-unknown-step", "Every `I.name` lists a step of its story")
STEP_SIGNATURE: Final = _of_rule("dddkit-step-signature", "Every step can be called with the state alone")
STEP_STATE: Final = _of_rule("dddkit-step-state", "Every step accepts the State of its story")
STEP_RETURN: Final = _of_rule("dddkit-step-return", "No step returns what nobody receives")
EMPTY_STORY: Final = _of_rule("dddkit-empty-story", "Every story lists its steps")
REPEATED_STEP: Final = _of_rule("dddkit-repeated-step", "No story lists a step twice", opt_in=True)
UNLISTED_STEP: Final = _of_rule(
    "dddkit-unlisted-step", "Every public method that takes the State is listed", opt_in=True
)
STORY_STATE: Final = _of_rule("dddkit-story-state", "Every story is called with its State")
UNDECLARED_STATE: Final = _of_rule("dddkit-undeclared-state", "Every attribute of a SimpleNamespace State is declared")
STATE_ORDER: Final = _of_rule("dddkit-state-order", "Every step reads only the variables that have been set by then")
MUTABLE_DEFAULT: Final = _of_rule("dddkit-mutable-default", "No default of a State is shared by all runs")
STORY_ATTRIBUTE: Final = _of_rule(
    "dddkit-story-attribute", "Steps keep what they find out in the State, not in the story"
)
COMPENSATION: Final = _of_rule("dddkit-compensation", "Every compensation undoes a step, and can be called")
DURABLE_STATE: Final = _of_rule("dddkit-durable-state", "The State of a durable story can be recorded")
DROPPED_EVENT: Final = _of_rule("dddkit-dropped-event", "An event that an aggregate makes is recorded")
UNAWAITED_PUBLISH: Final = _of_rule("dddkit-unawaited-publish", "Async code awaits what it publishes")
UNFROZEN_EVENT: Final = _of_rule("dddkit-unfrozen-event", "Every event is frozen")
UNDECORATED_CLASS: Final = _of_rule(
    "dddkit-undecorated-class", "A building block or story that declares fields is a dataclass"
)
UNFROZEN_VALUE_OBJECT: Final = _of_rule("dddkit-unfrozen-value-object", "Every value object is frozen")
VALUE_OBJECT_ENTITY: Final = _of_rule("dddkit-value-object-entity", "No value object holds an entity")
MISSING_IDENTITY: Final = _of_rule("dddkit-missing-identity", "Every entity and every aggregate has an identity")
FOREIGN_EVENT: Final = _of_rule("dddkit-foreign-event", "An aggregate records its own events")
MUTABLE_FIELD: Final = _of_rule(
    "dddkit-mutable-field", "No event or value object holds what can be changed", opt_in=True
)
AGGREGATE_REFERENCE: Final = _of_rule("dddkit-aggregate-reference", "Aggregates refer to each other by id", opt_in=True)
REPOSITORY_PARAMETERS: Final = _of_rule(
    "dddkit-repository-parameters", "A repository names its aggregate and the type of the aggregate's identity"
)
UNHANDLED_EVENT: Final = _of_rule(
    "dddkit-unhandled-event", "A changes handler handles every event that its aggregate declares"
)
CHANGES_RESULT: Final = _of_rule(
    "dddkit-changes-result", "A changes handler sets every field of the NamedTuple it folds into"
)
