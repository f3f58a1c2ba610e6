"""Reading and writing the rows of Documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from sqlalchemy.exc import StatementError

from dddkit._core.recording import Recording
from dddkit.exceptions import ConcurrencyError, UnitError
from dddkit.sqlalchemy._document_table import DocumentTable, Key, Row
from dddkit.sqlalchemy._errors import is_unfit_value
from dddkit.sqlalchemy._keys import is_storable
from dddkit.sqlalchemy._storage import TableStorage, Tracked

if TYPE_CHECKING:
    from sqlalchemy import Connection, SQLColumnExpression

__all__ = ["DocumentStorage"]

AggregateT = TypeVar("AggregateT", bound=Recording)

_AT_ONCE: Final = 500


class DocumentStorage(DocumentTable[AggregateT], TableStorage[AggregateT]):
    """The table of one aggregate class, as units use it. It has no state, so one serves all of them."""

    declared_by: ClassVar[str] = "Documents"
    is_storable = staticmethod(is_storable)

    def row(self, connection: Connection, key: Key, lock: bool) -> Row | None:
        found = (self.one_locked if lock else self.one).execute(connection, {"the_key": key}).first()
        return None if found is None else Row._make((key, *found))

    def rows(self, connection: Connection, keys: Sequence[Key]) -> Iterable[Row]:
        found: list[Row] = []
        for start in range(0, len(keys), _AT_ONCE):
            rows = connection.execute(self.several, {"the_keys": keys[start : start + _AT_ONCE]}).all()
            found += map(Row._make, rows)
        return found

    def find(
        self,
        connection: Connection,
        where: Sequence[SQLColumnExpression[bool]],
        order_by: Sequence[SQLColumnExpression[Any]],
        limit: int | None,
    ) -> Iterable[Row]:
        query = self.every.where(*where).order_by(*order_by)
        if limit is not None and len(query.get_final_froms()) == 1:  # else a row is not yet an aggregate
            query = query.limit(limit)
        rows: dict[Key, Row] = {}
        for row in map(Row._make, connection.execute(query).all()):
            rows.setdefault(row.key, row)
        return islice(rows.values(), limit)

    def versions_locked(self, connection: Connection, keys: Sequence[Key]) -> Mapping[Key, int]:
        """Lock the rows; the caller sorts the keys for the batches, and the database for the locks within one."""
        found: dict[Key, int] = {}
        for start in range(0, len(keys), _AT_ONCE):
            rows = connection.execute(self.locking, {"the_keys": keys[start : start + _AT_ONCE]})
            found.update((key, version) for key, version in rows)
        return found

    def differs(self, unit: str, tracked: Tracked) -> bool:
        tracked.data = self.dump(unit, tracked.aggregate)
        # Written by an older class or pydantic, it may read differently, and be the same.
        is_same = tracked.data == tracked.read.data or tracked.data == self.dump(unit, self.load(unit, tracked.read))
        return not is_same

    def prepare(self, unit: str, tracked: Tracked) -> None:
        if tracked.data is None and not tracked.is_deleted:
            tracked.data = self.dump(unit, tracked.aggregate)

    def write(self, connection: Connection, unit: str, tracked: Tracked, version: int) -> None:
        """Write the row.

        Raises:
            ConcurrencyError: another version is stored.
            UnitError: a value does not fit its column.
        """
        statements = self.statements(connection.dialect)
        parameters = self.parameters(tracked.key, tracked.aggregate, tracked.data, version)
        statement = statements.insert
        if tracked.expected is not None:
            statement, parameters["the_version"] = statements.update, tracked.expected
        try:
            is_done = statement.execute(connection, parameters).rowcount == 1
        except (StatementError, LookupError, OverflowError, TypeError, ValueError) as error:
            if not is_unfit_value(error):
                raise
            raise self.unfit(unit, tracked.key) from None  # the text of the driver shows the value
        if not is_done:
            raise ConcurrencyError(tracked.aggregate, tracked.expected, self._found(connection, tracked.key))

    def delete(self, connection: Connection, unit: str, tracked: Tracked) -> None:  # for other kinds
        if tracked.expected is None:  # it is not stored, as far as its unit knows
            if (found := self._found(connection, tracked.key)) is not None:
                raise ConcurrencyError(tracked.aggregate, None, found)
            return
        deleted = connection.execute(self.deleting, {"the_key": tracked.key, "the_version": tracked.expected})
        if deleted.rowcount != 1:
            raise ConcurrencyError(tracked.aggregate, tracked.expected, self._found(connection, tracked.key))

    def verify(self, connection: Connection, unit: str, tracked: Tracked) -> None:
        if (row := self.row(connection, tracked.key, False)) is not None:
            differences = self.differences(tracked.aggregate, self.load(unit, row))
            if differences:
                raise UnitError(
                    unit, f"{self.shown(tracked.key)} does not come back from the database as it is: {differences}"
                )

    def self_references(self) -> Sequence[str]:
        return [
            foreign_key.parent.name
            for foreign_key in self.table.foreign_keys
            if foreign_key.column is self.key and foreign_key.parent.name in self.columns
        ]

    def _found(self, connection: Connection, key: Key) -> int | None:
        version: int | None = connection.execute(self.version, {"the_key": key}).scalar_one_or_none()
        return version
