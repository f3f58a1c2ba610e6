"""What happens in a run, by the labels under which it is recorded."""

from __future__ import annotations

from typing import Final

__all__ = ["STEPS", "UNDONE", "WAITS", "expected_labels"]

STEPS: Final = ("reserve", "pay.authorize", "pay.capture", "ship", "thank")
"""The steps of all stories, without those that wait."""

WAITS: Final = ("wait:approval", "approval", "wait:pause", "pause")
"""What is recorded of the steps that wait."""

UNDONE: Final = {"reserve": "undo:reserve", "pay.authorize": "undo:pay.authorize", "ship": "undo:ship"}
"""The steps that have a compensation, and how that is recorded."""


def expected_labels(*, refused: bool) -> list[str]:
    """Return what happens in a run, in order."""
    return [*STEPS, *(UNDONE[step] for step in reversed(STEPS) if step in UNDONE)] if refused else list(STEPS)
