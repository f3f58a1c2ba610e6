"""What a run says of how it stands, where DBOS's own status does not tell: an attribute of its workflow."""

from __future__ import annotations

from typing import Any, Final

from dbos import WorkflowStatus

from dddkit.stories.durable.status import RunStatus

__all__ = ["ATTRIBUTE", "saying", "told_of"]

ATTRIBUTE: Final = "dddkit"
"""The name of the attribute."""


def saying(status: RunStatus, step: str | None = None) -> dict[str, Any]:
    """Return the attributes that say so."""
    return {ATTRIBUTE: {"status": status.value, "step": step}}


def told_of(row: WorkflowStatus) -> dict[str, Any]:
    """Return what the run itself has said of how it stands."""
    found: dict[str, Any] = (row.attributes or {}).get(ATTRIBUTE) or {}
    return found
