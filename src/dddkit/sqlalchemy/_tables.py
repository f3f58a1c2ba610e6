"""The MetaData of the user, in which our tables are declared."""

from __future__ import annotations

from sqlalchemy import MetaData

from dddkit._callables import kind_of

__all__ = ["check_metadata", "check_new_table"]


def check_metadata(what: str, metadata: object) -> None:
    """Raise TypeError for what is no MetaData."""
    if not isinstance(metadata, MetaData):
        raise TypeError(f"{what} takes the MetaData in which its table is declared, and got {kind_of(metadata)}")


def check_new_table(what: str, metadata: MetaData, table: str) -> None:
    """Raise TypeError where the name is taken; SQLAlchemy would say how to let two declarations share a table."""
    check_metadata(what, metadata)
    full_name = table if metadata.schema is None else f"{metadata.schema}.{table}"
    if full_name in metadata.tables:
        raise TypeError(
            f"the table {full_name} is in this MetaData already; write one {what}, and put it into each unit class, or "
            f'call this one table="..."'
        )
