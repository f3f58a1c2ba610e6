"""What DBOS does not tell publicly; the one place that reads it. The tests hold each against DBOS itself."""

from __future__ import annotations

from collections.abc import Container

from dbos._utils import GlobalParams

__all__ = ["set_executor_id"]


def set_executor_id(mine: str, instead_of: Container[str | None]) -> None:
    """Call this process so, where it is called by one of the others. DBOS reads its configuration only once."""
    if GlobalParams.executor_id in instead_of:
        GlobalParams.executor_id = mine
