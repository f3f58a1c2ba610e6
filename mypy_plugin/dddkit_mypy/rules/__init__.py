"""The rules, in the order of the catalogue."""

from __future__ import annotations

from typing import Final

from dddkit_mypy._rule import Rule
from dddkit_mypy.rules import (
    aggregate_reference,
    changes_result,
    compensation,
    dropped_event,
    empty_story,
    foreign_event,
    missing_identity,
    mutable_default,
    mutable_field,
    repeated_step,
    repository_parameters,
    state_order,
    step_return,
    step_signature,
    step_state,
    story_attribute,
    story_state,
    unawaited_publish,
    undeclared_state,
    undecorated_class,
    unfrozen_event,
    unfrozen_value_object,
    unhandled_event,
    unknown_step,
    unlisted_step,
    value_object_entity,
)

RULES: Final[tuple[Rule, ...]] = (
    unknown_step.RULE,
    step_signature.RULE,
    step_state.RULE,
    step_return.RULE,
    empty_story.RULE,
    repeated_step.RULE,
    unlisted_step.RULE,
    story_state.RULE,
    undeclared_state.RULE,
    state_order.RULE,
    mutable_default.RULE,
    story_attribute.RULE,
    compensation.RULE,
    dropped_event.RULE,
    unawaited_publish.RULE,
    unfrozen_event.RULE,
    undecorated_class.RULE,
    unfrozen_value_object.RULE,
    value_object_entity.RULE,
    missing_identity.RULE,
    foreign_event.RULE,
    mutable_field.RULE,
    aggregate_reference.RULE,
    repository_parameters.RULE,
    unhandled_event.RULE,
    changes_result.RULE,
)
