"""The rules, in the order of the catalogue."""

from __future__ import annotations

from typing import Final

from dddkit_mypy._rule import Rule
from dddkit_mypy.rules import (
    changes_result,
    empty_story,
    missing_identity,
    repeated_step,
    repository_parameters,
    step_signature,
    step_state,
    undecorated_class,
    unfrozen_event,
    unfrozen_value_object,
    unhandled_event,
    unknown_step,
    unlisted_step,
)

RULES: Final[tuple[Rule, ...]] = (
    unknown_step.RULE,
    step_signature.RULE,
    step_state.RULE,
    empty_story.RULE,
    repeated_step.RULE,
    unlisted_step.RULE,
    unfrozen_event.RULE,
    undecorated_class.RULE,
    unfrozen_value_object.RULE,
    missing_identity.RULE,
    repository_parameters.RULE,
    unhandled_event.RULE,
    changes_result.RULE,
)
