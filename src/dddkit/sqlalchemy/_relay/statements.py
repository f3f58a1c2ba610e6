"""What a relay reads and writes: one batch of the outbox, and what has become of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import JSON, BigInteger, Connection, Dialect, String, Table, Text, bindparam, cast, func, or_, select

from dddkit.sqlalchemy._relay.rows import Record, Row

if TYPE_CHECKING:
    from sqlalchemy import Select

    from dddkit.sqlalchemy._relay.rows import Key

__all__ = ["Statements", "Wanted"]


class Wanted(NamedTuple):
    """Which messages a batch may hold."""

    limit: int
    left_out: tuple[Key, ...] = ()
    """What backs off."""
    numbers: tuple[int, ...] | None = None
    """These messages alone: those whose back-off is over. None: all but those that are left out."""


class Statements:
    """The statements for one table, on one kind of database.

    Any number of numbers or subjects is one parameter, as JSON: so the text of a statement does not depend on how many
    there are, and no limit of a driver is met.
    """

    def __init__(self, table: Table, dialect: Dialect) -> None:
        self._is_sqlite: Final = dialect.name == "sqlite"
        columns, held = table.c, table.alias()
        dead = select(held.c.subject).where(held.c.died_at.is_not(None), held.c.subject.is_not(None))
        waiting = (
            select(
                *(columns[name] for name in ("number", "id", "type", "subject", "message", "attempts")),
                columns.error.is_not(None),
            )
            .where(columns.died_at.is_(None))
            .order_by(columns.number)
            .limit(bindparam("the_limit", type_=BigInteger()))
        )
        self._all: Final[Select[Any]] = waiting.where(
            or_(columns.subject.is_(None), columns.subject.not_in(dead)),
        )
        self._others: Final = self._all.where(
            or_(columns.subject.is_(None), columns.subject.not_in(self._texts("the_subjects"))),
            columns.number.not_in(self._numbers("the_numbers")),
        )
        self._again: Final = self._all.where(columns.number.in_(self._numbers("the_numbers")))
        # SQLite numbers from 1 again once the outbox is empty, so a number alone may be that of a new message.
        self._delete: Final = table.delete().where(
            columns.number.in_(self._numbers("the_numbers")), columns.id.in_(self._texts("the_ids"))
        )
        self._update: Final = (
            table.update()
            .where(columns.number == bindparam("the_number"), columns.id == bindparam("the_id"))
            .values({name: bindparam(f"the_{name}") for name in ("attempts", "error", "died_at")})
        )

    def _numbers(self, name: str) -> Select[Any]:
        return self._elements(name, BigInteger())

    def _texts(self, name: str) -> Select[Any]:
        return self._elements(name, Text())

    def _elements(self, name: str, type_: Any) -> Select[Any]:
        parameter = bindparam(name, type_=String())
        if self._is_sqlite:
            return select(func.json_each(parameter).table_valued("value").c.value)
        elements = func.json_array_elements_text(cast(parameter, JSON)).table_valued("value", name=name)
        return select(cast(elements.c.value, type_))

    def read(self, connection: Connection, wanted: Wanted) -> list[Row]:
        """Return the messages of a batch, in order."""
        values: dict[str, Any] = {"the_limit": wanted.limit}
        if wanted.numbers is not None:
            statement = self._again
            values["the_numbers"] = _json(wanted.numbers)
        elif wanted.left_out:
            statement = self._others
            values["the_subjects"] = _json(key for key in wanted.left_out if isinstance(key, str))
            values["the_numbers"] = _json(key for key in wanted.left_out if isinstance(key, int))
        else:
            statement = self._all
        return [Row(*row) for row in connection.execute(statement, values)]

    def write(self, connection: Connection, record: Record) -> None:
        """Delete what was published, and note what has failed."""
        if record.published:
            numbers, ids = _json(row.number for row in record.published), _json(row.id for row in record.published)
            connection.execute(self._delete, {"the_numbers": numbers, "the_ids": ids})
        if record.changed:
            changes = [
                {
                    "the_number": change.row.number,
                    "the_id": change.row.id,
                    "the_attempts": change.attempts,
                    "the_error": change.error,
                    "the_died_at": change.died_at,
                }
                for change in record.changed
            ]
            connection.execute(self._update, changes)


def _json(values: Iterable[str | int]) -> str:
    return json.dumps(list(values), ensure_ascii=False)
