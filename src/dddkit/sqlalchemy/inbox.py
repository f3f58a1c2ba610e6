"""The inbox: what was done already, noted in the transaction that did it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Connection, DateTime, MetaData, Table, Text, bindparam, func
from sqlalchemy.dialects import postgresql, sqlite

from dddkit._callables import kind_of
from dddkit.sqlalchemy._keys import is_storable
from dddkit.sqlalchemy._tables import check_new_table

if TYPE_CHECKING:
    from sqlalchemy.sql.dml import Insert

__all__ = ["Inbox"]


class Inbox:
    """Notes keys, each once, in a table of your metadata.

    Args:
        metadata: where the table is declared, so that Alembic finds it.
        table: the name of the table.

    Raises:
        TypeError: the metadata has such a table.
    """

    def __init__(self, metadata: MetaData, *, table: str = "dddkit_inbox") -> None:
        check_new_table("Inbox", metadata, table)
        self.table: Final = Table(
            table,
            metadata,
            Column("consumer", Text(), primary_key=True),
            Column("key", Text(), primary_key=True),
            Column("noted_at", DateTime(timezone=True), nullable=False, server_default=func.current_timestamp()),
        )
        self._noting: Final[dict[str, Insert]] = {}

    def _note(self, connection: Connection, consumer: str, key: str) -> bool:
        """Note the key; return whether it is new. Waits for a transaction that has noted it and has not ended.

        Raises:
            TypeError, ValueError: no column holds such a key.
        """
        if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"a key of the inbox is a str, and this one is {kind_of(key)}; write it as text")
        if not is_storable(key):
            raise ValueError("a key of the inbox is a str without NUL and lone surrogates; take another key")
        dialect = connection.dialect.name
        noting = self._noting[dialect] if dialect in self._noting else self._prepare(dialect)
        return connection.execute(noting, {"the_consumer": consumer, "the_key": key}).rowcount == 1

    def _prepare(self, dialect: str) -> Insert:
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        made = self._noting[dialect] = (
            insert(self.table)
            .values(consumer=bindparam("the_consumer", type_=Text()), key=bindparam("the_key", type_=Text()))
            .on_conflict_do_nothing(index_elements=[self.table.c["consumer"], self.table.c["key"]])
            .inline()
            .execution_options(preserve_rowcount=True)
        )
        return made
