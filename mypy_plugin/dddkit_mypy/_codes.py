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


INTERNAL: Final = new_code("dddkit-internal", "Report errors of the dddkit plugin itself")

UNKNOWN_STEP: Final = new_code("dddkit-unknown-step", "Every `I.name` lists a step of its story")
STEP_SIGNATURE: Final = new_code("dddkit-step-signature", "Every step can be called with the state alone")
STEP_STATE: Final = new_code("dddkit-step-state", "Every step accepts the State of its story")
STEP_RETURN: Final = new_code("dddkit-step-return", "No step returns what nobody receives")
EMPTY_STORY: Final = new_code("dddkit-empty-story", "Every story lists its steps")
REPEATED_STEP: Final = new_code("dddkit-repeated-step", "No story lists a step twice", opt_in=True)
UNLISTED_STEP: Final = new_code(
    "dddkit-unlisted-step", "Every public method that takes the State is listed", opt_in=True
)
STORY_STATE: Final = new_code("dddkit-story-state", "Every story is called with its State")
UNDECLARED_STATE: Final = new_code("dddkit-undeclared-state", "Every attribute of a SimpleNamespace State is declared")
STATE_ORDER: Final = new_code("dddkit-state-order", "Every step reads only the variables that have been set by then")
MUTABLE_DEFAULT: Final = new_code("dddkit-mutable-default", "No default of a State is shared by all runs")
STORY_ATTRIBUTE: Final = new_code(
    "dddkit-story-attribute", "Steps keep what they find out in the State, not in the story"
)
COMPENSATION: Final = new_code("dddkit-compensation", "Every compensation undoes a step, and can be called")
DROPPED_EVENT: Final = new_code("dddkit-dropped-event", "An event that an aggregate makes is recorded")
UNAWAITED_PUBLISH: Final = new_code("dddkit-unawaited-publish", "Async code awaits what it publishes")
UNFROZEN_EVENT: Final = new_code("dddkit-unfrozen-event", "Every event is frozen")
UNDECORATED_CLASS: Final = new_code(
    "dddkit-undecorated-class", "A building block or story that declares fields is a dataclass"
)
UNFROZEN_VALUE_OBJECT: Final = new_code("dddkit-unfrozen-value-object", "Every value object is frozen")
VALUE_OBJECT_ENTITY: Final = new_code("dddkit-value-object-entity", "No value object holds an entity")
MISSING_IDENTITY: Final = new_code("dddkit-missing-identity", "Every entity and every aggregate has an identity")
FOREIGN_EVENT: Final = new_code("dddkit-foreign-event", "An aggregate records its own events")
MUTABLE_FIELD: Final = new_code(
    "dddkit-mutable-field", "No event or value object holds what can be changed", opt_in=True
)
AGGREGATE_REFERENCE: Final = new_code("dddkit-aggregate-reference", "Aggregates refer to each other by id", opt_in=True)
REPOSITORY_PARAMETERS: Final = new_code(
    "dddkit-repository-parameters", "A repository names its aggregate and the type of the aggregate's identity"
)
UNHANDLED_EVENT: Final = new_code(
    "dddkit-unhandled-event", "A changes handler handles every event that its aggregate declares"
)
CHANGES_RESULT: Final = new_code(
    "dddkit-changes-result", "A changes handler sets every field of the NamedTuple it folds into"
)

CATALOGUE: Final = (
    UNKNOWN_STEP,
    STEP_SIGNATURE,
    STEP_STATE,
    STEP_RETURN,
    EMPTY_STORY,
    REPEATED_STEP,
    UNLISTED_STEP,
    STORY_STATE,
    UNDECLARED_STATE,
    STATE_ORDER,
    MUTABLE_DEFAULT,
    STORY_ATTRIBUTE,
    COMPENSATION,
    DROPPED_EVENT,
    UNAWAITED_PUBLISH,
    UNFROZEN_EVENT,
    UNDECORATED_CLASS,
    UNFROZEN_VALUE_OBJECT,
    VALUE_OBJECT_ENTITY,
    MISSING_IDENTITY,
    FOREIGN_EVENT,
    MUTABLE_FIELD,
    AGGREGATE_REFERENCE,
    REPOSITORY_PARAMETERS,
    UNHANDLED_EVENT,
    CHANGES_RESULT,
)
